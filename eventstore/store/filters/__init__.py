"""Filters of lists: how they are checked, and the SQL of their conditions."""
