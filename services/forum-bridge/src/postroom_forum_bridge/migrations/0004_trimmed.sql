-- Which lines of a post's text are quotations, signatures and the like: first line (from 0) and line
-- behind the last of each run, in order. The text stays whole; what came before stays untrimmed.
ALTER TABLE forum.post ADD COLUMN elided integer[] NOT NULL DEFAULT '{}';
