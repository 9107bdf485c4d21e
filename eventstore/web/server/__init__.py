"""What stands before every route: keys, limits, errors, logs and health."""
