"""Import of recordings from files."""
