"""Masking of secrets: in frames, in values, in words, and across the frames of a session. Pure."""
