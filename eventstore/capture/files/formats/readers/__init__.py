"""Readers of recordings that other tools wrote: a module for each format."""
