"""Segments: the rows of sealed events, and their bytes in the database or in other places."""
