"""Helpers that every room may import: private files, TLS, allowed hosts, unforeseen faults."""
