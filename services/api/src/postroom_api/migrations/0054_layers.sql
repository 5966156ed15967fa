-- An account's rules come before those of the mailbox, or after; a rule in the shadow does nothing.
ALTER TABLE config.rule ADD COLUMN layer text NOT NULL DEFAULT 'before' CHECK (layer IN ('before', 'after'));
ALTER TABLE config.rule ADD COLUMN shadow boolean NOT NULL DEFAULT false;
