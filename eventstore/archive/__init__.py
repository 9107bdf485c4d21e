"""What becomes of a session in the log: its sound, in files that people listen to."""
