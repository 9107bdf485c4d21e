"""Commands that read a store (lists, one session, sound, exports), and `init` and `import`."""
