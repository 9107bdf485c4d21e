"""Projections of one's own: declared, added to a store, run inline and by workers, and read."""
