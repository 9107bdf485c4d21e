"""Cassettes for tests: the first run is recorded, and later runs are served the recording."""
