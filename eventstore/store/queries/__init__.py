"""Lists of sessions, responses and conversations, page by page, and single ones of each."""
