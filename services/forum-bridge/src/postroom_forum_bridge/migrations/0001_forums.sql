-- Everything the forum-bridge owns. What happens once is guarded by a unique key: a mail by
-- mail(forum, id) and post(forum, mail), a web post by its id, a copy by delivery(post, member).

CREATE TABLE forum.forum (
    id text PRIMARY KEY,
    account text NOT NULL,
    name text NOT NULL,
    address text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('opening', 'open')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX forum_by_account ON forum.forum (account, name);

CREATE TABLE forum.member (
    id text PRIMARY KEY,
    forum text NOT NULL REFERENCES forum.forum ON DELETE CASCADE,
    email text NOT NULL,
    -- What makes two spellings the same person: lower case, A-labels.
    email_key text NOT NULL,
    name text NOT NULL,
    delivery text NOT NULL CHECK (delivery IN ('each', 'none')),
    state text NOT NULL CHECK (state IN ('active', 'left')),
    -- Counts joining and leaving, so that each of them is an event of its own.
    version integer NOT NULL DEFAULT 1,
    joined_at timestamptz NOT NULL DEFAULT now(),
    left_at timestamptz,
    UNIQUE (forum, email_key)
);

CREATE TABLE forum.topic (
    id text PRIMARY KEY,
    forum text NOT NULL REFERENCES forum.forum,
    -- These four follow from the posts and are kept for lists.
    title text NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    last_post_at timestamptz NOT NULL,
    -- Where its posts are now; never the id of a topic that was itself joined to another.
    merged_into text REFERENCES forum.topic
);
CREATE INDEX topic_by_activity ON forum.topic (forum, last_post_at DESC, id DESC)
    WHERE merged_into IS NULL;
CREATE INDEX topic_by_survivor ON forum.topic (merged_into) WHERE merged_into IS NOT NULL;

CREATE TABLE forum.post (
    id text PRIMARY KEY,
    forum text NOT NULL REFERENCES forum.forum,
    topic text NOT NULL REFERENCES forum.topic,
    parent text REFERENCES forum.post,
    message_id text NOT NULL,
    placeholder boolean NOT NULL,
    author_name text NOT NULL DEFAULT '',
    author_email text NOT NULL DEFAULT '',
    subject text NOT NULL DEFAULT '',
    text text NOT NULL DEFAULT '',
    origin text NOT NULL CHECK (origin IN ('mail', 'web')),
    mail text,
    -- The ids that the mail itself named, oldest first: ancestors that we may never see.
    named text[] NOT NULL DEFAULT '{}',
    attachments jsonb NOT NULL DEFAULT '[]',
    created_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    correlation text NOT NULL DEFAULT '',
    causation text NOT NULL DEFAULT '',
    UNIQUE (forum, message_id),
    UNIQUE (forum, mail)
);
CREATE INDEX post_by_topic ON forum.post (topic, created_at, id);
CREATE INDEX post_by_parent ON forum.post (parent) WHERE parent IS NOT NULL;

-- Ids that mails referred to and that are no post, and the topic that they belong to.
CREATE TABLE forum.reference (
    forum text NOT NULL REFERENCES forum.forum,
    message_id text NOT NULL,
    topic text NOT NULL REFERENCES forum.topic,
    PRIMARY KEY (forum, message_id)
);
CREATE INDEX reference_by_topic ON forum.reference (topic);

CREATE TABLE forum.original (
    post text PRIMARY KEY REFERENCES forum.post,
    raw bytea NOT NULL
);
ALTER TABLE forum.original ALTER COLUMN raw SET STORAGE EXTERNAL;

-- Every mail that was asked to be posted, and what became of it.
CREATE TABLE forum.mail (
    forum text NOT NULL REFERENCES forum.forum,
    id text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('posted', 'known', 'robot')),
    post text REFERENCES forum.post,
    handled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (forum, id)
);

CREATE TABLE forum.delivery (
    serial bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post text NOT NULL REFERENCES forum.post,
    member text NOT NULL REFERENCES forum.member,
    address text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'delivered', 'deferred', 'failed', 'captured')),
    reply text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (post, member)
);
CREATE INDEX delivery_by_member ON forum.delivery (member);

CREATE TABLE forum.bounce (
    mail text PRIMARY KEY,
    delivery bigint NOT NULL REFERENCES forum.delivery,
    at timestamptz NOT NULL DEFAULT now()
);

-- What the relay has to publish: `post <id>`, `joined <member> <version>`, `left <member> <version>`.
CREATE TABLE forum.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL
);
