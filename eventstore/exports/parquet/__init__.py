"""Parquet files of responses, items and usage."""
