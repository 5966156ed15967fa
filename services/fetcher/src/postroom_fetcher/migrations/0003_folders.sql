-- Several folders of one mailbox, each with a cursor of its own.
ALTER TABLE "fetch".progress ADD COLUMN folder text NOT NULL DEFAULT 'INBOX';
ALTER TABLE "fetch".progress DROP CONSTRAINT progress_pkey;
ALTER TABLE "fetch".progress ADD PRIMARY KEY (mailbox, folder);
-- Deleting on the server some days after storing: what is due?
CREATE INDEX seen_by_age ON "fetch".seen (mailbox, folder, at) WHERE state = 'stored';
