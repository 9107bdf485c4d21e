"""The database as a whole: what it holds, and giving back or overwriting what was deleted."""
