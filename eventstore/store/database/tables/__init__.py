"""The tables, as declared. Migrations create them; a test compares the two."""
