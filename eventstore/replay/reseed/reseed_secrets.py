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


def without_secrets(event: Json, state: SessionState) -> tuple[Json, list[str]]:
    """Return a `session.update` or `session.start` without secrets, and what its sender has to add.

    Args:
        event: The event.
        state: The state of the session that the event was made from.

    Returns:
        The event, and a sentence for each secret that is missing in it.
    """
    session = mapping(event.get("session"))
    holder = _holder_of_tools(session)
    asked: list[str] = []
    tools = []
    for tool in map(mapping, sequence(holder.get("tools"))):
        label = text(tool.get("server_label")) or ""
        if tool.get("type") != "mcp":
            tools.append(tool)
        elif mask_value(tool) != tool:
            asked.append(f"the MCP server {label}, whose address holds a secret: add it to tools")
        else:
            tools.append(tool)
            if label in _with_credentials(state):
                asked.append(f"the credentials of the MCP server {label}: add them to its tool")
    rest = _with_tools(session, [])
    clean, clean_tools = mask_value(rest), mask_value(tools)
    if clean != rest:
        asked.append("a secret in the session's configuration, which is masked")
    elif clean_tools != tools:
        asked.append("a secret in the session's tools, which is masked")
    clean = _with_tools(clean, clean_tools)
    return {**event, "session": clean}, [mask_value(reason) for reason in asked]


def _holder_of_tools(session: Json) -> Json:
    """Return the object that has the tools: a Live session's backend, or the session itself."""
    backend = mapping(mapping(session.get("delegation")).get("responses"))
    return backend or session


def _with_tools(session: Json, tools: list[Json]) -> Json:
    """Return a session with other tools; without the member if there are none."""
    holder = _holder_of_tools(session)
    made = {key: value for key, value in holder.items() if key != "tools"}
    if tools:
        made["tools"] = tools
    if holder is session:
        return made
    return {**session, "delegation": {**session["delegation"], "responses": made}}


def _with_credentials(state: SessionState) -> set[str]:
    """Return the labels of the MCP servers for which the session had credentials."""
    return {
        text(tool.get("server_label")) or ""
        for described in (state.wire, state.requested)
        for tool in map(mapping, sequence(_holder_of_tools(mapping(described)).get("tools")))
        if tool.get("authorization") or tool.get("headers")
    }
