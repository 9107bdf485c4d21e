"""The store's verbs as tools of the Model Context Protocol (MCP), which language models call."""
