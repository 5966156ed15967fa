-- Mailboxes whose mail lies on another server, and how their last check went.
ALTER TABLE config.mailbox
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN max_messages integer NOT NULL DEFAULT 0,
    ADD COLUMN max_message_kb integer NOT NULL DEFAULT 0,
    ADD COLUMN keep_days integer NOT NULL DEFAULT 0,
    ADD COLUMN host text NOT NULL DEFAULT '',
    ADD COLUMN port integer NOT NULL DEFAULT 0,
    ADD COLUMN tls text NOT NULL DEFAULT 'implicit' CHECK (tls IN ('none', 'starttls', 'implicit')),
    ADD COLUMN verify boolean NOT NULL DEFAULT true,
    ADD COLUMN login text NOT NULL DEFAULT '',
    ADD COLUMN sealed_password text NOT NULL DEFAULT '',
    ADD COLUMN password_set_at timestamptz,
    ADD COLUMN apop boolean NOT NULL DEFAULT false,
    ADD COLUMN interval_minutes integer NOT NULL DEFAULT 0,
    ADD COLUMN delete_after boolean NOT NULL DEFAULT false,
    ADD COLUMN ca text NOT NULL DEFAULT '';

CREATE TABLE config.mailbox_check (
    mailbox text PRIMARY KEY,
    account text NOT NULL,
    state text NOT NULL,
    error text,
    checked_at timestamptz NOT NULL,
    next_check_at timestamptz,
    found integer NOT NULL,
    stored integer NOT NULL,
    skipped jsonb NOT NULL
);
ALTER TABLE config.mailbox_check ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.mailbox_check FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON config.mailbox_check
    USING (account = nullif(current_setting('postroom.account', true), ''));
GRANT SELECT, DELETE ON config.mailbox_check TO postroom_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON config.mailbox_check TO postroom_worker;
