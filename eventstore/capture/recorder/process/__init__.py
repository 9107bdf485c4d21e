"""A recorder in a process of its own, and what is said between the two processes."""
