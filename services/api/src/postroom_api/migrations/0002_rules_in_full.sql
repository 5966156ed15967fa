-- Rules belong to a scope: an account, whose rules come first, or a mailbox.
ALTER TABLE config.rule DROP CONSTRAINT rule_mailbox_fkey;
ALTER TABLE config.rule RENAME COLUMN mailbox TO scope;
ALTER INDEX config.rule_by_mailbox RENAME TO rule_by_scope;
ALTER TABLE config.ruleset DROP CONSTRAINT ruleset_mailbox_fkey;
ALTER TABLE config.ruleset RENAME COLUMN mailbox TO scope;

-- What rules did to a mail.
ALTER TABLE config.message
    ADD COLUMN spam boolean,
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN read boolean NOT NULL DEFAULT false,
    ADD COLUMN deleted_at timestamptz;
