"""Encryption at rest: each session's content under a key of its own (docs/adr/0013). Pure."""
