"""Maintenance of the database as a whole: its status, and the space and bytes of deleted rows."""
