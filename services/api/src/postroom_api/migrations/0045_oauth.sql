-- How a mailbox signs in. With oauth2, what is sealed is a grant of the provider's (a refresh token)
-- instead of a password: the fetcher got it for a code, and it alone can open it.
ALTER TABLE config.mailbox ADD COLUMN auth text NOT NULL DEFAULT 'password'
    CHECK (auth IN ('password', 'oauth2'));
