"""Webhooks: each finished response and each ended session is posted to an app, signed."""
