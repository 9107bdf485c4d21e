"""Export sessions for other people and tools: transcripts, chat files, pages, traces, tables."""
