"""Benchmarks: every figure is a ratio of two things measured in turns on the same machine."""
