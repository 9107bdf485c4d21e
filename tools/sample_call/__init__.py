"""Composes the sample call of `eventstore.demo`: its words, its sound and its frames."""
