-- E-mail services: each account's catalogue, the mailboxes connected through them, and links that
-- let a person connect one.
ALTER TABLE config.account ADD COLUMN mailboxes_per_user integer NOT NULL DEFAULT 10
    CHECK (mailboxes_per_user >= 0);

CREATE TABLE config.mail_service (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    preset text NOT NULL DEFAULT '',
    name text NOT NULL,
    position integer NOT NULL,
    domains text[] NOT NULL DEFAULT '{}',
    imap_host text NOT NULL,
    imap_port integer NOT NULL,
    imap_tls text NOT NULL CHECK (imap_tls IN ('none', 'starttls', 'implicit')),
    imap_verify boolean NOT NULL DEFAULT true,
    imap_ca text NOT NULL DEFAULT '',
    smtp_host text NOT NULL DEFAULT '',
    smtp_port integer NOT NULL DEFAULT 0,
    smtp_tls text NOT NULL DEFAULT 'implicit' CHECK (smtp_tls IN ('none', 'starttls', 'implicit')),
    web_link text NOT NULL DEFAULT '',
    free boolean NOT NULL DEFAULT false,
    oauth text NOT NULL DEFAULT 'no' CHECK (oauth IN ('no', 'offered', 'needed')),
    oauth_client text NOT NULL DEFAULT '',
    oauth_authorize_url text NOT NULL DEFAULT '',
    oauth_token_url text NOT NULL DEFAULT '',
    oauth_scopes text NOT NULL DEFAULT '',
    oauth_sealed_secret text NOT NULL DEFAULT '',
    oauth_secret_set_at timestamptz,
    active boolean NOT NULL DEFAULT true,
    permitted boolean NOT NULL DEFAULT false,
    -- Restricted: until then mailboxes go on; then they are paused, once.
    grace_until timestamptz,
    paused_at timestamptz,
    -- A preset that was taken away stays as a row: it does not come back.
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mail_service_by_account ON config.mail_service (account, position, id);
CREATE INDEX mail_service_in_grace ON config.mail_service (grace_until)
    WHERE grace_until IS NOT NULL AND paused_at IS NULL;

ALTER TABLE config.mailbox
    ADD COLUMN service text REFERENCES config.mail_service,
    ADD COLUMN web_link text NOT NULL DEFAULT '',
    -- Why it is paused, where not a person did it: whoever paused it may resume it.
    ADD COLUMN paused_for text NOT NULL DEFAULT '' CHECK (paused_for IN ('', 'restriction'));
CREATE INDEX mailbox_by_service ON config.mailbox (service, id) WHERE service IS NOT NULL;

CREATE TABLE config.connect_link (
    hash text PRIMARY KEY,
    id text NOT NULL UNIQUE,
    account text NOT NULL REFERENCES config.account,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    service text NOT NULL REFERENCES config.mail_service,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    mailbox text
);
CREATE INDEX connect_link_by_person ON config.connect_link (person);

ALTER TABLE config.mail_service ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.mail_service FORCE ROW LEVEL SECURITY;
-- Others than managers see what they may choose, and what a mailbox of theirs came through.
CREATE POLICY seen ON config.mail_service FOR SELECT USING (account = config.my_account() AND (
    (SELECT config.manages()) OR (active AND permitted AND deleted_at IS NULL) OR EXISTS (
        SELECT 1 FROM config.mailbox m
        WHERE m.service = mail_service.id AND m.owner = config.me()) OR EXISTS (
        SELECT 1 FROM config.mailbox_share t JOIN config.mailbox m ON m.id = t.mailbox
        WHERE t.person = config.me() AND m.service = mail_service.id)));
CREATE POLICY managed ON config.mail_service USING (account = config.my_account()
    AND (SELECT config.manages()));

ALTER TABLE config.connect_link ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.connect_link FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON config.connect_link FOR SELECT USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()));
CREATE POLICY used ON config.connect_link FOR UPDATE USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()));
CREATE POLICY managed ON config.connect_link USING (account = config.my_account()
    AND (SELECT config.manages()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.mail_service, config.connect_link
    TO postroom_app, postroom_worker;
