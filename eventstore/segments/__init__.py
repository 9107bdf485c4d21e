"""Segments: a session's events packed into bytes, exactly recoverable. Pure: no SQL, no I/O."""
