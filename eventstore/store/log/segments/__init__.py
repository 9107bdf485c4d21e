"""Sealed events: segments in the database, and their bytes in other places."""
