"""Formats of recordings: which one a file has, and what readers share. registry.py has them all."""
