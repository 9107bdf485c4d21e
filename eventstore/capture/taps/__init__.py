"""Taps: a client that records its own connection."""
