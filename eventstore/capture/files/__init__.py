"""Import recordings from files, in the formats of formats/registry.py."""
