"""The version of the package, as the command line, the HTTP API and recordings tell it."""

VERSION = "0.1.0"
