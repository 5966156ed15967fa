-- A deleted mailbox with all that went with it, for seven days: as rows it is gone at once.
CREATE TABLE config.deleted_mailbox (
    mailbox text PRIMARY KEY,
    account text NOT NULL REFERENCES config.account,
    owner text,
    name text NOT NULL,
    deleted_by text NOT NULL,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    row jsonb NOT NULL,
    addresses jsonb NOT NULL,
    rules jsonb NOT NULL,
    shares jsonb NOT NULL
);
CREATE INDEX deleted_mailbox_by_time ON config.deleted_mailbox (account, deleted_at DESC);
ALTER TABLE config.deleted_mailbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.deleted_mailbox FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON config.deleted_mailbox USING (account = config.my_account()
    AND ((SELECT config.manages()) OR owner = config.me()));
GRANT SELECT, INSERT, DELETE ON config.deleted_mailbox TO postroom_app;
GRANT SELECT, DELETE ON config.deleted_mailbox TO postroom_worker;

-- What a mailbox that is there again has in the log: its mail stayed, its row of counts did not.
CREATE FUNCTION config.count_mailbox(p_mailbox text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = config, pg_temp AS $$
    UPDATE config.mailbox_summary s SET mails = g.mails, bytes = g.bytes, unread = g.unread
    FROM (SELECT count(*) AS mails, coalesce(sum(size), 0) AS bytes,
        count(*) FILTER (WHERE NOT read AND deleted_at IS NULL) AS unread
        FROM config.message WHERE mailbox = p_mailbox) g
    WHERE s.mailbox = p_mailbox;
$$;
REVOKE ALL ON FUNCTION config.count_mailbox(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION config.count_mailbox(text) TO postroom_app;
