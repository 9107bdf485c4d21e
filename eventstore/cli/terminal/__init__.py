"""Output on a terminal: tables, colours, keys, and screens that are drawn again and again."""
