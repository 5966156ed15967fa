"""Postgres and NATS as programs from wheels, on loopback, with their data in the home."""
