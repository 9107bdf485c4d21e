"""Read models: the rows that are made from a session's state, and how they are written."""
