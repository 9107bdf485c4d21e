"""The replay server: find the recording that a client asks for, and serve it."""
