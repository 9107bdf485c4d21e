"""Handlers: functions that change a session's state by one event. Called by the fold. Pure."""
