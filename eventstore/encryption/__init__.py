"""Encryption at rest: a session's content under a key of its own. Pure; docs/adr/0013 says why."""
