"""The wire: frames, event types, dialects and resources. Pure: it knows no SQL and does no I/O."""
