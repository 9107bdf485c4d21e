"""Reseed: a session's conversation as client events, to go on from it in a new session."""
