-- Kept answers are sealed from now on: those of before held tokens and links as they were shown.
TRUNCATE config.idempotency;
