"""Loading a session's state from the log, and the states that a process keeps at hand."""
