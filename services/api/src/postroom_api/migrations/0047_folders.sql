-- From which folders a mailbox is fetched, and what becomes of a mail on its server afterwards.
ALTER TABLE config.mailbox
    ADD COLUMN folders text[] NOT NULL DEFAULT '{}',
    ADD COLUMN delete_after_days integer NOT NULL DEFAULT 0,
    ADD COLUMN mark_read boolean NOT NULL DEFAULT false,
    ADD COLUMN move_to text NOT NULL DEFAULT '';
