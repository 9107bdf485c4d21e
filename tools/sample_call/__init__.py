"""The sample call: what is said in it, and how its frames are composed."""
