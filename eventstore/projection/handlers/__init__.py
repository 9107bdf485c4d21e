"""What each kind of event does to the state of a session. Called by `projection/fold.py`. Pure."""
