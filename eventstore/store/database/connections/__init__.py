"""Connections: their pool, the drivers and their errors, forks, and the write-ahead log."""
