"""Archive: what is kept of closed sessions, and what is made of it."""
