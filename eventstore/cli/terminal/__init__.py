"""What is shown on a terminal: tables, colours, keys, and screens that are drawn anew."""
