"""The relay: an app connects to it instead of the provider, and its sessions are recorded."""
