"""The replay server: it finds the recording that a client asks for, and serves it."""
