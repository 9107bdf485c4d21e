"""Build the timeline of a call: when each chunk of sound was heard on the call's clock. Pure."""
