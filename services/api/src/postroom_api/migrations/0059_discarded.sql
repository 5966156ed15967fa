-- What was set aside and nobody wants: hidden from the list, and its raw mail goes with its days.
ALTER TABLE config.set_aside ADD COLUMN discarded_at timestamptz;
GRANT UPDATE (discarded_at) ON config.set_aside TO postroom_app;
CREATE INDEX set_aside_kept ON config.set_aside (account, stored_at DESC, id DESC) WHERE discarded_at IS NULL;
