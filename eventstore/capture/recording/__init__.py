"""What a recording says of itself: its notes, its connections, and other recordings of its call."""
