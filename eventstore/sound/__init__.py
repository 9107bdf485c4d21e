"""Sound: what was heard in a session, as files and pictures."""
