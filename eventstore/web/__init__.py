"""The HTTP API and the web pages of a store, which `eventstore serve` serves.

The API lists recorded sessions and responses, for which OpenAI has no endpoints, in the shapes of
OpenAI's API.
"""
