"""Commands that run until they are stopped: the relay, the replay server, the API, webhooks."""
