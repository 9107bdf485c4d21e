"""What is shown of the state of a session: resources, usage, what was heard. Pure."""
