"""Verifying: whether a session's frames are those that were recorded, and what is not."""
