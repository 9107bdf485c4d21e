"""Read the messages of websockets from a copy of the bytes on the wire."""
