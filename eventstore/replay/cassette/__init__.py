"""Cassettes: a first run is recorded, and later ones are served what was recorded."""
