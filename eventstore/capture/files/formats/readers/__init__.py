"""Readers of recordings that other tools wrote: one module for each format."""
