"""Sums of usage by day, which are kept beside the rows of usage: docs/adr/0015."""
