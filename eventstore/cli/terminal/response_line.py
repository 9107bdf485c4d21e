"""Formats a response, or a call of a tool, in one line.

Called by the command `responses` and by `state.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def call_words(item: Mapping[str, Any]) -> str:
    """Return a call of a tool in one line, such as `find_order({"number":"4417"})`."""
    return f"{item.get('name')}({' '.join(str(item.get('arguments')).split())})"


def response_line(response: Mapping[str, Any]) -> str:
    """Return a response's words and calls of tools in one line of at most 90 characters."""
    words = []
    for item in response.get("output") or []:
        if not isinstance(item, dict):
            continue
        if item.get("type") in ("function_call", "mcp_call"):
            words.append(call_words(item))
        for part in item.get("content") or []:
            if isinstance(part, dict):
                words.append(part.get("text") or part.get("transcript") or "")
    line = " ".join(word for word in words if isinstance(word, str) and word)
    return line if len(line) <= 90 else line[:89] + "…"
