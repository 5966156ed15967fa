-- Long work that was asked for (202): it can be left and found again.
CREATE TABLE config.operation (
    id text PRIMARY KEY,
    account text NOT NULL,
    person text NOT NULL,
    kind text NOT NULL,
    about text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    result jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);
CREATE INDEX operation_by_time ON config.operation (account, created_at);
ALTER TABLE config.operation ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.operation FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON config.operation USING (account = config.my_account()
    AND ((SELECT config.manages()) OR person = config.me()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.operation TO postroom_app, postroom_worker;

-- What the very first check of a mailbox brings: NULL = everything, 0 = what comes from then on.
ALTER TABLE config.mailbox ADD COLUMN first_import_days integer;
