"""Texts on the wire: members of JSON objects, frames without audio, scripts. Pure."""
