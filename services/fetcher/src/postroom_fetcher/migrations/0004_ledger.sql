-- The ledger as it is asked for: what was left of a mailbox, what was stored of it and since a time.
CREATE INDEX seen_left ON "fetch".seen (mailbox, at DESC, mail DESC) WHERE state = 'skipped';
CREATE INDEX seen_stored ON "fetch".seen (mailbox, mail) WHERE state <> 'skipped' AND reason = '';
CREATE INDEX seen_by_time ON "fetch".seen (at) WHERE state <> 'skipped' AND reason = '';
-- Whether a mailbox has a content already, from whichever folder or file.
CREATE INDEX seen_by_digest ON "fetch".seen (mailbox, sha256) WHERE state <> 'skipped';
