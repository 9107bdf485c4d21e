"""One session as a whole: what changes its log and its read models in one transaction."""
