"""Views: functions that show a session's state as resources, usage and heard text. Pure."""
