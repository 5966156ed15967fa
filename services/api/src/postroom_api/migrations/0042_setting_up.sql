-- When the first steps were gone through, or passed over: then they are not shown by themselves again.
CREATE TABLE config.setup (
    account text PRIMARY KEY REFERENCES config.account ON DELETE CASCADE,
    done_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE config.setup ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.setup FORCE ROW LEVEL SECURITY;
CREATE POLICY by_account ON config.setup USING (account = config.my_account());
GRANT SELECT, INSERT ON config.setup TO postroom_app;
GRANT SELECT, DELETE ON config.setup TO postroom_worker;
-- Whoever has mailboxes has found the way.
INSERT INTO config.setup (account) SELECT DISTINCT account FROM config.mailbox;

-- What became of a mail that somebody sent to see it arrive is theirs to know.
CREATE POLICY own_letter ON config.delivery FOR SELECT USING (account = config.my_account()
    AND origin IN (SELECT o.id FROM config.operation o WHERE o.person = config.me()));

-- The mail of one mailbox, newest first.
CREATE INDEX message_by_mailbox ON config.message (account, mailbox, received_at DESC, id DESC);
