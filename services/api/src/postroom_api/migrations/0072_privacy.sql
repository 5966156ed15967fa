-- What a mailbox keeps of its mail: whether its text comes into the log, and whether the raw mail stays.
ALTER TABLE config.mailbox
    ADD COLUMN index_text boolean NOT NULL DEFAULT true,
    ADD COLUMN keep_raw boolean NOT NULL DEFAULT true,
    -- Since when mail that came before is being emptied; null: nothing is left to do.
    ADD COLUMN emptying_since timestamptz;
CREATE INDEX mailbox_emptying ON config.mailbox (emptying_since) WHERE emptying_since IS NOT NULL;

-- Its mailbox keeps no raw mail, and this one's may still be there. Only the worker writes it.
ALTER TABLE config.message ADD COLUMN raw_due boolean NOT NULL DEFAULT false;
CREATE INDEX message_raw_due ON config.message (sequence) WHERE raw_due;

-- The mail that a set-aside entry is about, be it the mail itself or a command that needs it.
ALTER TABLE config.set_aside ADD COLUMN mail text NOT NULL DEFAULT '';
CREATE INDEX set_aside_by_mail ON config.set_aside (mail) WHERE mail <> '';

-- Who migrates is bound by the policies, too, and belongs to no account.
ALTER TABLE config.set_aside NO FORCE ROW LEVEL SECURITY;
UPDATE config.set_aside SET mail = message_id WHERE original_stream LIKE 'INTAKE%';
ALTER TABLE config.set_aside FORCE ROW LEVEL SECURITY;
-- A deleted mailbox that is brought back has the new columns as well.
ALTER TABLE config.deleted_mailbox NO FORCE ROW LEVEL SECURITY;
UPDATE config.deleted_mailbox SET row = '{"index_text": true, "keep_raw": true}' || row;
ALTER TABLE config.deleted_mailbox FORCE ROW LEVEL SECURITY;
