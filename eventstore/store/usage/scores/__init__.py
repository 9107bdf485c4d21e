"""Sums of scores, and what is read of the scores of a session."""
