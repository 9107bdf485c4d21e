"""Reseed: make client events that rebuild a session's conversation in a new session."""
