"""The HTTP API's routes, in the shape of OpenAI's."""
