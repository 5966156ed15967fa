-- Keys with which a domain signs what it sends (DKIM). The private key is sealed: only smtp opens it.
CREATE TABLE config.dkim_key (
    domain text NOT NULL REFERENCES config.domain ON DELETE CASCADE,
    selector text NOT NULL,
    account text NOT NULL REFERENCES config.account,
    algorithm text NOT NULL CHECK (algorithm IN ('rsa', 'ed25519')),
    sealed text NOT NULL,
    record text NOT NULL,
    -- `new`: not published yet · `signs` · `retired`: signs no more, but stays published for mail under way.
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'signs', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (domain, selector)
);
ALTER TABLE config.dkim_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE config.dkim_key FORCE ROW LEVEL SECURITY;
CREATE POLICY managed ON config.dkim_key USING (account = config.my_account()
    AND (SELECT config.manages()));
GRANT SELECT, INSERT, UPDATE, DELETE ON config.dkim_key TO postroom_app;
GRANT SELECT, DELETE ON config.dkim_key TO postroom_worker;
