-- A deleted mail is hidden; after some days, or when somebody asks for it, nothing of what it said stays: the row
-- becomes a tombstone, so that ledgers and lists remain true.
ALTER TABLE config.message
    ADD COLUMN erasing_at timestamptz,
    ADD COLUMN erased_at timestamptz,
    -- What the filter had learnt of it is being taken back; then its place in the stream goes too.
    ADD COLUMN unlearning boolean NOT NULL DEFAULT false;
CREATE INDEX message_to_erase ON config.message (deleted_at)
    WHERE deleted_at IS NOT NULL AND erased_at IS NULL;
CREATE INDEX message_unlearning ON config.message (erased_at) WHERE unlearning;
GRANT UPDATE (erasing_at) ON config.message TO postroom_app;
