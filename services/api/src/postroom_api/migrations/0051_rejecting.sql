-- Whether a scope has an active rule that rejects: smtp asks the rules before it takes such mail.
ALTER TABLE config.ruleset ADD COLUMN rejects boolean NOT NULL DEFAULT false;
