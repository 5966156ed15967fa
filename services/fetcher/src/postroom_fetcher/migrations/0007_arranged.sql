-- What rules want done to mails on their servers: done with the next check of the mailbox. Rows that
-- are done stay for a day, so that a command that comes again does nothing.
CREATE TABLE "fetch".arranged (
    command text PRIMARY KEY,
    mailbox text NOT NULL,
    folder text NOT NULL,
    uidvalidity text NOT NULL,
    key text NOT NULL,
    flags text[] NOT NULL,
    move_to text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz
);
CREATE INDEX arranged_open ON "fetch".arranged (mailbox) WHERE done_at IS NULL;
CREATE INDEX arranged_done ON "fetch".arranged (done_at);
