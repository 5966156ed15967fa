-- What rules read a mail in that names no charset and is not UTF-8.
ALTER TABLE config.mailbox ADD COLUMN charset text NOT NULL DEFAULT '';
