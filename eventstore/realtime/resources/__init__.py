"""OpenAI's resources and configurations of sessions, in the beta and the GA shape. Pure."""
