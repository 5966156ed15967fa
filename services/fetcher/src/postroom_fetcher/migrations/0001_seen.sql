-- What each mailbox's server has shown us. It follows the intake and may repeat a step: every
-- write here is idempotent, and the cursor on the broker decides.

-- The cursor as the broker had it when the rows of `seen` were last brought up to it.
CREATE TABLE "fetch".progress (
    mailbox text PRIMARY KEY,
    account text NOT NULL,
    document jsonb NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE "fetch".seen (
    mailbox text NOT NULL,
    folder text NOT NULL,
    -- UIDVALIDITY as the server said it; empty for POP3.
    uidvalidity text NOT NULL,
    -- UID or UIDL.
    key text NOT NULL,
    mail text NOT NULL,
    sha256 text NOT NULL,
    size bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('stored', 'skipped', 'deleted')),
    reason text NOT NULL DEFAULT '',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mailbox, folder, uidvalidity, key)
);
-- A new UIDVALIDITY: which contents are here already?
CREATE INDEX seen_by_content ON "fetch".seen (mailbox, folder, sha256);
