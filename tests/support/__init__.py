"""Fakes, builders and server harnesses that tests share; imported as `support.*`."""
