-- Forums that people join and run by themselves. What was there before stays as it was: open to the
-- account, and everybody in it a plain member.
ALTER TABLE forum.forum
    ADD COLUMN description text NOT NULL DEFAULT '',
    ADD COLUMN joining text NOT NULL DEFAULT 'open' CHECK (joining IN ('open', 'invite')),
    ADD COLUMN visible text NOT NULL DEFAULT 'account' CHECK (visible IN ('account', 'members')),
    -- Of the settings; what ETag says.
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE forum.member
    ADD COLUMN role text NOT NULL DEFAULT 'member' CHECK (role IN ('member', 'moderator')),
    -- Whether somebody else ended their part: then they do not come back by themselves.
    ADD COLUMN removed boolean NOT NULL DEFAULT false,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
-- Everything that a person takes part in, by the address of the account's user.
CREATE INDEX member_by_email ON forum.member (email_key);

-- Deactivated users of the account: their address gets no posts until they are back. It is kept by
-- address and not by member, so that it holds for a forum that they are added to meanwhile.
CREATE TABLE forum.silenced (
    account text NOT NULL,
    email_key text NOT NULL,
    silent boolean NOT NULL,
    -- Of the user: what comes late and is older changes nothing.
    version bigint NOT NULL,
    PRIMARY KEY (account, email_key)
);

ALTER TABLE forum.topic
    ADD COLUMN closed boolean NOT NULL DEFAULT false,
    ADD COLUMN version integer NOT NULL DEFAULT 0,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();

-- A post is shown, or removed (by somebody, at some time), or held: it came to a closed topic and
-- was never sent out. Nothing of it is erased.
ALTER TABLE forum.post
    ADD COLUMN held boolean NOT NULL DEFAULT false,
    ADD COLUMN removed_at timestamptz,
    ADD COLUMN removed_by text NOT NULL DEFAULT '',
    ADD COLUMN version integer NOT NULL DEFAULT 0,
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE forum.mail DROP CONSTRAINT mail_outcome_check;
ALTER TABLE forum.mail ADD CONSTRAINT mail_outcome_check
    CHECK (outcome IN ('posted', 'held', 'known', 'robot'));

-- The outbox knows these keys besides: `changed <member> <version>`, `forum <forum> <version>`,
-- `topic <topic> <version>`, `moderated <post> <version>`.
