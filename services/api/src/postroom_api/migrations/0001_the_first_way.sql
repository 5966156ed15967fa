-- Everything the api owns. Every table that belongs to an account is under forced row level
-- security: `app` sees the rows of the account set by config.act_as() and, for signing in, the one
-- row whose credential it presents. `worker` bypasses this (relay, projector, reconciler only).

CREATE FUNCTION config.act_as(p_account text, p_user text, p_credential text) RETURNS void
LANGUAGE sql AS $$
    SELECT set_config('postroom.account', coalesce(p_account, ''), true),
           set_config('postroom.user', coalesce(p_user, ''), true),
           set_config('postroom.credential', coalesce(p_credential, ''), true);
$$;

CREATE TABLE config.account (
    id text PRIMARY KEY,
    name text NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX account_one_default ON config.account (is_default) WHERE is_default;

CREATE TABLE config.person (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('administrator', 'user')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE config.session (
    hash text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE config.token (
    hash text PRIMARY KEY,
    id text NOT NULL UNIQUE,
    account text NOT NULL REFERENCES config.account,
    person text NOT NULL REFERENCES config.person ON DELETE CASCADE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);

-- One counter for all versions: a deleted and remade row is still newer than its predecessor.
CREATE SEQUENCE config.version;

CREATE TABLE config.domain (
    domain text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE config.mailbox (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('system', 'user')),
    source text NOT NULL CHECK (source IN ('smtp', 'pop3', 'imap')),
    active boolean NOT NULL DEFAULT true,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mailbox_by_account ON config.mailbox (account, id);

CREATE TABLE config.address (
    address text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    mailbox text NOT NULL REFERENCES config.mailbox ON DELETE CASCADE,
    domain text NOT NULL REFERENCES config.domain,
    forum text,
    version bigint NOT NULL DEFAULT nextval('config.version')
);
CREATE INDEX address_by_mailbox ON config.address (mailbox);

CREATE TABLE config.rule (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    mailbox text NOT NULL REFERENCES config.mailbox ON DELETE CASCADE,
    name text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    position integer NOT NULL,
    condition jsonb NOT NULL,
    actions jsonb NOT NULL,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rule_by_mailbox ON config.rule (mailbox, position, id);

CREATE TABLE config.ruleset (
    mailbox text PRIMARY KEY REFERENCES config.mailbox ON DELETE CASCADE,
    account text NOT NULL REFERENCES config.account,
    version bigint NOT NULL DEFAULT nextval('config.version')
);

-- The saga of a forum's creation (DESIGN §1): the id is drawn here, the forum lives elsewhere.
CREATE TABLE config.forum (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    name text NOT NULL,
    address text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('opening', 'open')),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- "X changed": the relay publishes X as it is when it looks.
CREATE TABLE config.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL
);

-- The message log, a projection of EVENTS; `position` moves in the same transaction as the rows.
CREATE TABLE config.projection (
    name text PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE config.message (
    id text PRIMARY KEY,
    account text NOT NULL,
    mailbox text NOT NULL,
    received_at timestamptz NOT NULL,
    recipient text NOT NULL,
    envelope_sender text NOT NULL,
    from_name text NOT NULL,
    from_address text NOT NULL,
    subject text NOT NULL,
    size bigint NOT NULL,
    importance text NOT NULL,
    spam_rating integer,
    stream text NOT NULL,
    sequence bigint NOT NULL,
    event jsonb NOT NULL,
    forum text,
    topic text,
    post text
);
CREATE INDEX message_by_time ON config.message (account, received_at DESC, id DESC);

CREATE TABLE config.delivery (
    account text NOT NULL,
    serial bigint NOT NULL,
    origin text NOT NULL,
    outbox text NOT NULL,
    forum text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    message_id text NOT NULL,
    state text NOT NULL,
    reply text NOT NULL,
    attempt integer NOT NULL,
    next_attempt_at timestamptz,
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (account, serial)
);
CREATE INDEX delivery_by_time ON config.delivery (account, reported_at DESC, serial DESC);

CREATE TABLE config.set_aside (
    id text PRIMARY KEY,
    account text NOT NULL,
    service text NOT NULL,
    subject text NOT NULL,
    reason text NOT NULL,
    deliveries integer NOT NULL,
    sequence bigint NOT NULL,
    stored_at timestamptz NOT NULL,
    redone_at timestamptz
);
CREATE INDEX set_aside_by_time ON config.set_aside (account, stored_at DESC, id DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['account', 'person', 'session', 'token', 'domain', 'mailbox',
        'address', 'rule', 'ruleset', 'forum', 'message', 'delivery', 'set_aside']
    LOOP
        EXECUTE format('ALTER TABLE config.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE config.%I FORCE ROW LEVEL SECURITY', name);
        -- After RESET the setting is an empty string, not NULL: hence nullif.
        EXECUTE format(
            'CREATE POLICY by_account ON config.%I USING (%I = nullif(current_setting(%L, true), %L))',
            name, CASE name WHEN 'account' THEN 'id' ELSE 'account' END, 'postroom.account', '');
    END LOOP;
END $$;

CREATE POLICY by_email ON config.person FOR SELECT
    USING (email = nullif(current_setting('postroom.credential', true), ''));
CREATE POLICY by_hash ON config.session FOR SELECT
    USING (hash = nullif(current_setting('postroom.credential', true), ''));
CREATE POLICY by_hash ON config.token FOR SELECT
    USING (hash = nullif(current_setting('postroom.credential', true), ''));

GRANT USAGE ON SCHEMA config TO postroom_app, postroom_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA config TO postroom_app, postroom_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA config TO postroom_app, postroom_worker;
-- Requests note changes and read the log; they do not write the log or move its position.
REVOKE ALL ON config.projection, config.migration FROM postroom_app;
REVOKE INSERT, UPDATE, DELETE ON config.message, config.delivery FROM postroom_app;
REVOKE SELECT, UPDATE, DELETE ON config.outbox FROM postroom_app;
