"""How a Postroom process lives: settings, bus, outbox, health, logs. Knows nothing of mail."""
