"""Handlers of the events of GPT-Live sessions."""
