-- Which mail was set aside: the ledger tells it from one that is missing.
ALTER TABLE config.set_aside ADD COLUMN message_id text NOT NULL DEFAULT '';
CREATE INDEX set_aside_by_message ON config.set_aside (message_id);
