"""The tools of the MCP server: their arguments and descriptions, and the functions that answer."""
