"""Sums by day, kept beside the rows that they are of: docs/adr/0015."""
