"""The fold of a session's events into its state. Pure: it uses no SQL, no I/O and no clock."""
