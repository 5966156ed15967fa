-- The protocol log: of each mailbox the last conversation that went well, and the last that failed.
CREATE TABLE "fetch".conversation (
    mailbox text NOT NULL,
    failed boolean NOT NULL,
    at timestamptz NOT NULL,
    error text NOT NULL,
    lines text[] NOT NULL,
    PRIMARY KEY (mailbox, failed)
);
