"""What follows the log: projections of one's own, and how far each of them is in each session."""
