"""Play recorded sessions again: to a reader, to a real client, or into a new session."""
