"""Pages to look at calls: made on the server of what `Queries` answers, and livened by scripts."""
