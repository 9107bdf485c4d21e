"""The store for asyncio: `AsyncEventStore`, which runs each verb of `EventStore` in a thread."""
