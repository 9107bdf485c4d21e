"""The sound of a session: its timeline, and the files and pictures that are made from it."""
