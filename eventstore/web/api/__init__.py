"""The routes of the HTTP API, whose lists and errors have the shapes of OpenAI's API."""
