"""What of a session's configuration is secret, so that a reseed asks for it and does not send it.

The one who reads a recording need not be the one whose keys are in it: MCP servers are told
without their `authorization` and `headers`, and one whose address holds a key is left out.
"""

from __future__ import annotations

from typing import Any

from eventstore.projection.state import SessionState
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.values import mapping, sequence, text

Json = dict[str, Any]


def without_secrets(update: Json, state: SessionState) -> tuple[Json, list[str]]:
    """Take the secrets out of a `session.update`.

    Args:
        state: of the session that the update is of.

    Returns:
        The event as it can be sent, and what whoever sends it has to add.
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
    """The labels of MCP servers that the session had credentials of."""
    return {
        text(tool.get("server_label")) or ""
        for described in (state.wire, state.requested)
        for tool in map(mapping, sequence(mapping(described).get("tools")))
        if tool.get("authorization") or tool.get("headers")
    }
