"""The log: events as they were recorded, their segments, and the tombstones of erased sessions."""
