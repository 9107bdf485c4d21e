"""The verbs of `EventStore`, by what they do: lists, one log, and upkeep of the store."""
