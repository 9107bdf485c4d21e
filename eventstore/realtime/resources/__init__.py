"""OpenAI's resources and configurations, in the beta and the GA shape. Pure."""
