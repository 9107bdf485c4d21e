"""A call's timeline: where each piece of sound lies on the clock of the call. Pure."""
