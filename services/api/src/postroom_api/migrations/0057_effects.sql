-- What happens because of a mail and has a memory: automatic answers, tickets, webhooks.

-- Who was answered by which rule, and when.
CREATE TABLE config.auto_answer (
    account text NOT NULL REFERENCES config.account,
    rule text NOT NULL,
    address text NOT NULL,
    mail text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (account, mail, rule)
);
CREATE INDEX auto_answer_by_address ON config.auto_answer (account, rule, address, at);

CREATE TABLE config.ticket (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    number bigint NOT NULL,
    -- What answers carry beside the number, so that nobody guesses their way into a ticket.
    token text NOT NULL,
    mailbox text NOT NULL,
    queue text NOT NULL,
    subject text NOT NULL,
    requester text NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    mails integer NOT NULL DEFAULT 1,
    version bigint NOT NULL DEFAULT nextval('config.version'),
    UNIQUE (account, number)
);
CREATE INDEX ticket_by_change ON config.ticket (account, state, changed_at DESC, id DESC);
CREATE TABLE config.ticket_mail (
    account text NOT NULL REFERENCES config.account,
    ticket text NOT NULL REFERENCES config.ticket ON DELETE CASCADE,
    mail text NOT NULL,
    at timestamptz NOT NULL,
    -- What it did: opened the ticket, came to it, or opened it again.
    what text NOT NULL,
    -- Of the mail, and of what we answered: mails that name one of them belong here.
    message_ids text[] NOT NULL,
    PRIMARY KEY (account, mail)
);
CREATE INDEX ticket_mail_by_ticket ON config.ticket_mail (ticket, at);
CREATE INDEX ticket_mail_by_message_id ON config.ticket_mail USING gin (message_ids);

CREATE TABLE config.webhook (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    name text NOT NULL,
    url text NOT NULL,
    sealed_secret text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    -- Why it was switched off by itself; empty: it was not.
    trouble text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT nextval('config.version')
);
CREATE INDEX webhook_by_account ON config.webhook (account, created_at);
CREATE TABLE config.webhook_call (
    id text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    webhook text NOT NULL REFERENCES config.webhook ON DELETE CASCADE,
    mail text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL,
    reply text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL
);
CREATE INDEX webhook_call_due ON config.webhook_call (next_attempt_at) WHERE state = 'waiting';
CREATE INDEX webhook_call_by_time ON config.webhook_call (account, webhook, created_at DESC, id DESC);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['auto_answer', 'ticket', 'ticket_mail', 'webhook', 'webhook_call'] LOOP
        EXECUTE format('ALTER TABLE config.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE config.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON config.%I TO postroom_worker', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['auto_answer', 'webhook', 'webhook_call'] LOOP
        EXECUTE format('CREATE POLICY managed ON config.%I USING (account = config.my_account()'
            ' AND (SELECT config.manages()))', name);
    END LOOP;
END $$;
-- Tickets are seen and kept by who sees their mailbox, and who manages it.
CREATE POLICY seen ON config.ticket USING (account = config.my_account()
    AND ((SELECT config.manages()) OR mailbox IN (SELECT id FROM config.mailbox)));
CREATE POLICY seen ON config.ticket_mail USING (account = config.my_account()
    AND ticket IN (SELECT id FROM config.ticket));
GRANT SELECT ON config.auto_answer, config.ticket, config.ticket_mail TO postroom_app;
GRANT UPDATE (state, changed_at, version) ON config.ticket TO postroom_app;
GRANT SELECT, INSERT, DELETE ON config.webhook TO postroom_app;
GRANT UPDATE (name, url, active, trouble, version, sealed_secret) ON config.webhook TO postroom_app;
GRANT SELECT, UPDATE (state, attempts, next_attempt_at) ON config.webhook_call TO postroom_app;
