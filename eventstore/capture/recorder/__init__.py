"""The recorder: it takes frames of live sessions without blocking, and writes them to a store."""
