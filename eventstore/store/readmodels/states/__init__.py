"""Load a session's state from the log, and cache the states of open sessions."""
