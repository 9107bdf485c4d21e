"""Keep closed sessions: seal, verify, copy, move, retain and erase them."""
