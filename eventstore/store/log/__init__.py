"""The log: events as they were recorded, and what is noted of a session beside them."""
