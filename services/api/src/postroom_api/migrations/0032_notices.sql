-- Trouble with a mailbox is told once, and told when it is over.
ALTER TABLE config.mailbox_check
    ADD COLUMN failures integer NOT NULL DEFAULT 0,
    ADD COLUMN told_at timestamptz;

CREATE TABLE config.notice (
    id text PRIMARY KEY,
    account text NOT NULL,
    mailbox text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('trouble', 'recovered')),
    state text NOT NULL,
    words text NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz
);
CREATE INDEX notice_by_time ON config.notice (account, created_at DESC);
CREATE INDEX notice_unsent ON config.notice (created_at) WHERE sent_at IS NULL;
ALTER TABLE config.notice ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.notice FORCE ROW LEVEL SECURITY;
CREATE POLICY by_mailbox ON config.notice USING (account = config.my_account() AND (
    (SELECT config.manages()) OR mailbox IN (SELECT m.id FROM config.mailbox m)));
GRANT SELECT ON config.notice TO postroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config.notice TO postroom_worker;
