"""Ways out for people: what happened in a session, at its own pace or at once."""
