"""A recorder in a child process, and the messages between the two processes."""
