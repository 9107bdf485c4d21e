"""Serve a recording to one live client: causes, matching, pace, ids and faults."""
