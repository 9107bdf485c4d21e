"""The HTTP API: what OpenAI has no endpoints for, in the shape of OpenAI's."""
