"""The verbs of `AsyncEventStore`. `python -m tools.async_verbs` makes these modules: see there."""
