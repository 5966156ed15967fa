-- How an account's mail is rated; no row: as the document's defaults say.
CREATE TABLE config.spam_filter (
    account text PRIMARY KEY REFERENCES config.account,
    mark_at integer NOT NULL CHECK (mark_at BETWEEN 0 AND 100),
    quarantine_at integer NOT NULL CHECK (quarantine_at BETWEEN 0 AND 100),
    quarantine_days integer NOT NULL CHECK (quarantine_days BETWEEN 1 AND 365),
    trusted_headers text[] NOT NULL,
    allowed text[] NOT NULL,
    blocked text[] NOT NULL,
    version bigint NOT NULL DEFAULT nextval('config.version')
);
ALTER TABLE config.spam_filter ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.spam_filter FORCE ROW LEVEL SECURITY;
CREATE POLICY managed ON config.spam_filter USING (account = config.my_account() AND (SELECT config.manages()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.spam_filter TO postroom_app, postroom_worker;

-- Kept apart until then, and deleted after it; what the filter was taught of a mail, when and by whom.
ALTER TABLE config.message
    ADD COLUMN quarantined_until timestamptz,
    ADD COLUMN released_at timestamptz,
    ADD COLUMN trained boolean,
    ADD COLUMN trained_by text NOT NULL DEFAULT '',
    ADD COLUMN trained_at timestamptz;
CREATE INDEX message_quarantined ON config.message (quarantined_until) WHERE quarantined_until IS NOT NULL;
CREATE INDEX message_trained ON config.message (account, trained) WHERE trained IS NOT NULL;
GRANT UPDATE (quarantined_until, released_at, trained, trained_by, trained_at) ON config.message TO postroom_app;
