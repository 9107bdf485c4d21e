"""The declarations of the tables. Migrations create the tables; a test compares the two."""
