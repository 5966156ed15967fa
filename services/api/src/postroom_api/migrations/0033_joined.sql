-- Where people and mailboxes meet: a list of orphaned mailboxes asks for the few deactivated first,
-- and the removal of an account names every table that has one.
CREATE INDEX person_deactivated ON config.person (account, id) WHERE state = 'deactivated';
GRANT DELETE ON config.mailbox_summary, config.mailbox_word TO postroom_worker;
