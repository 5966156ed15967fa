-- Passwords drawn by us with which a person's mail program signs in to send (SMTP AUTH): of each the
-- SHA-256 is kept. The smtp service reads them as documents, by the person's address.
CREATE TABLE config.submission_password (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    login text NOT NULL,
    name text NOT NULL,
    hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX submission_password_by_person ON config.submission_password (person, created_at);
CREATE INDEX submission_password_by_login ON config.submission_password (login);
ALTER TABLE config.submission_password ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.submission_password FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON config.submission_password USING (account = config.my_account()
    AND person = config.me());
-- Who manages the account may see that there are some, and take them away with the person.
CREATE POLICY known ON config.submission_password FOR SELECT USING (account = config.my_account()
    AND (SELECT config.manages()));
CREATE POLICY removed ON config.submission_password FOR DELETE USING (account = config.my_account()
    AND (SELECT config.manages()));
GRANT SELECT, INSERT, DELETE ON config.submission_password TO postroom_app;
GRANT SELECT, DELETE ON config.submission_password TO postroom_worker;
