"""What all routes of the HTTP server share: keys, limits, errors, logs and health checks."""
