"""JSON text as it is on the wire: where its members are, what is left without audio. Pure."""
