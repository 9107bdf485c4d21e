"""Mask secrets in frames, in JSON values, in words, and across the frames of a session. Pure."""
