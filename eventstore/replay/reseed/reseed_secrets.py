"""Take the secrets out of a session's configuration before it is sent to a new session.

The person who reseeds a recording may not be the owner of the keys in it. So MCP servers are sent
without `authorization` and `headers`, and an MCP server with a key in its URL is left out. Called
by reseed.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import SessionState
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.values import mapping, sequence, text

Json = dict[str, Any]


def without_secrets(update: Json, state: SessionState) -> tuple[Json, list[str]]:
    """Return a `session.update` without secrets, and what its sender has to add.

    Args:
        update: The event.
        state: The state of the session that the event was made from.

    Returns:
        The event, and a sentence for each secret that is missing in it.
    """
    session = mapping(update.get("session"))
    asked: list[str] = []
    tools = []
    for tool in map(mapping, sequence(session.get("tools"))):
        label = text(tool.get("server_label")) or ""
        if tool.get("type") != "mcp":
            tools.append(tool)
        elif mask_value(tool) != tool:
            asked.append(f"the MCP server {label}, whose address holds a secret: add it to tools")
        else:
            tools.append(tool)
            if label in _with_credentials(state):
                asked.append(f"the credentials of the MCP server {label}: add them to its tool")
    rest = {key: value for key, value in session.items() if key != "tools"}
    clean = mask_value(rest) | ({"tools": mask_value(tools)} if tools else {})
    if any(clean.get(key) != value for key, value in rest.items()):
        asked.append("a secret in the session's configuration, which is masked")
    elif clean.get("tools", []) != tools:
        asked.append("a secret in the session's tools, which is masked")
    return {**update, "session": clean}, [mask_value(reason) for reason in asked]


def _with_credentials(state: SessionState) -> set[str]:
    """Return the labels of the MCP servers for which the session had credentials."""
    return {
        text(tool.get("server_label")) or ""
        for described in (state.wire, state.requested)
        for tool in map(mapping, sequence(mapping(described).get("tools")))
        if tool.get("authorization") or tool.get("headers")
    }
