"""Commands that ask: lists, one session, its sound, exports; and import."""
