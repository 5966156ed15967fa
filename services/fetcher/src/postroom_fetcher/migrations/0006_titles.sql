-- What was left on a server is listed by its name: subject and author.
ALTER TABLE "fetch".seen ADD COLUMN title text NOT NULL DEFAULT '';
