"""Sessions for other people and tools: transcripts, chat files, pages, traces and tables."""
