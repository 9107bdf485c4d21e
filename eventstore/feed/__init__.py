"""A feed over all sessions: subscriptions that miss nothing, each with its own checkpoints."""
