"""The fold of a session's events into its state. Pure: no SQL, no I/O, no clock."""
