"""Segments: events of a session packed into bytes, exactly recoverable. Pure: no SQL, no I/O."""
