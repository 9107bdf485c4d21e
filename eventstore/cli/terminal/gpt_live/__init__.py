"""Prints what only GPT-Live sessions have: a conversation on its timeline."""
