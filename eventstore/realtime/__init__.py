"""The wire: frames, event names and dialects, resources. Pure; knows no SQL and does no I/O."""
