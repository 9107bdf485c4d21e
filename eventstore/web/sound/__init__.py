"""What was made of sessions' sound: kept in files without a name, and served in ranges."""
