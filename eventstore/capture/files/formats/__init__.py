"""The formats of recordings: how to recognize and read each. registry.py lists them."""
