-- What providers of OAuth 2.0 gave for a mailbox's grant: all of it sealed to the fetcher's own key
-- with what it is for. `base` names the grant (SHA-256 of it as the api has it, sealed): a new
-- sign-in begins anew.
CREATE TABLE "fetch".grants (
    mailbox text PRIMARY KEY,
    base text NOT NULL,
    refresh text NOT NULL DEFAULT '',
    access text NOT NULL DEFAULT '',
    expires_at timestamptz,
    at timestamptz NOT NULL DEFAULT now()
);
