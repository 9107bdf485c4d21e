"""Ways in: import of files. Uses realtime, projection and store, never their insides."""
