"""The relay: an app connects to it in place of the provider, and its calls are recorded."""
