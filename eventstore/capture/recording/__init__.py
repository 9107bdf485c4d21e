"""What a recording says of itself: notes, the session's id, other recordings of its call."""
