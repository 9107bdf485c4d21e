"""Messages of websockets, read from a copy of the bytes on the wire."""
