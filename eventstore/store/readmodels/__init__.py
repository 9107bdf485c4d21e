"""Read models: rows made from a session's state, and how they are written."""
