-- Retention spares mail that something set aside points at.
ALTER TABLE config.set_aside
    ADD COLUMN original_stream text NOT NULL DEFAULT '',
    ADD COLUMN original_sequence bigint NOT NULL DEFAULT 0;
