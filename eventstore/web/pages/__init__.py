"""The web pages that show calls: HTML that the server renders from the answers of `Queries`."""
