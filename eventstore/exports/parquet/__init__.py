"""Export responses, items and usage of sessions as Parquet files."""
