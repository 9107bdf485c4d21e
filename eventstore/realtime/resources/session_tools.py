"""Return a session's tools, and how the model chooses one, as a client may send them.

Called by session_config.py and live_tools.py. Credentials of MCP servers are left out: a server
never repeats them, and they must not be handed on.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.values import mapping, non_empty, one_of, sequence, text, text_entries

_CHOICES = frozenset({"none", "auto", "required"})
_CONNECTORS = frozenset(
    f"connector_{name}"
    for name in (
        *("dropbox", "gmail", "googlecalendar", "googledrive"),
        *("microsoftteams", "outlookcalendar", "outlookemail", "sharepoint"),
    )
)

Json = dict[str, Any]


def beta_tools(session: Json) -> list[Json]:
    """Return the functions of a session. The beta shape has no other tools."""
    return [tool for tool in ga_tools(session) if tool["type"] == "function"]


def ga_tools(session: Json) -> list[Json]:
    """Return the functions and the MCP servers of a session."""
    entries = map(mapping, sequence(session.get("tools")))
    made = (mcp_tool(e) if e.get("type") == "mcp" else function_tool(e) for e in entries)
    return [tool for tool in made if tool is not None]


def beta_tool_choice(session: Json) -> str | None:
    """Return how tools are chosen, or None. The beta shape cannot name a certain tool."""
    return one_of(session.get("tool_choice"), _CHOICES)


def ga_tool_choice(session: Json) -> str | Json | None:
    """Return how tools are chosen, or the tool that must be chosen; None if it is unknown."""
    choice = mapping(session.get("tool_choice"))
    name = text(choice.get("name")) or text(mapping(choice.get("function")).get("name"))
    label = text(choice.get("server_label"))
    if choice.get("type") == "function" and name:
        return {"type": "function", "name": name}
    if choice.get("type") == "mcp" and label:
        return {"type": "mcp", "server_label": label} | non_empty({"name": name})
    return one_of(session.get("tool_choice"), _CHOICES)


def function_tool(tool: Json) -> Json | None:
    """Return a function that the model may call, or None if it has no name."""
    # xAI puts the function into a member `function`, as the Chat Completions API does.
    function = mapping(tool.get("function")) or tool
    name = text(function.get("name"))
    if not name or tool.get("type", "function") != "function":
        return None
    return {"type": "function", "name": name} | non_empty(
        {
            "description": text(function.get("description")),
            "parameters": mapping(function.get("parameters")),
        }
    )


def mcp_tool(tool: Json) -> Json | None:
    """Return an MCP server without its credentials, or None if it has no label."""
    label = text(tool.get("server_label"))
    if not label:
        return None
    callers = [c for c in ("direct", "programmatic") if c in sequence(tool.get("allowed_callers"))]
    approval = tool.get("require_approval")
    filters = {key: _tool_filter(mapping(approval).get(key)) for key in ("always", "never")}
    defer = tool.get("defer_loading")
    allowed = tool.get("allowed_tools")
    # An empty list is kept: it allows no tool, while a missing list allows all of them.
    listed = {"allowed_tools": text_entries(allowed)} if isinstance(allowed, list) else {}
    return {"type": "mcp", "server_label": label, **listed} | non_empty(
        {
            "server_url": text(tool.get("server_url")),
            "connector_id": one_of(tool.get("connector_id"), _CONNECTORS),
            "tunnel_id": text(tool.get("tunnel_id")),
            "server_description": text(tool.get("server_description")),
            "allowed_tools": _tool_filter(allowed),
            "allowed_callers": callers,
            "require_approval": one_of(approval, frozenset(filters)) or non_empty(filters),
            "defer_loading": defer if isinstance(defer, bool) else None,
        }
    )


def _tool_filter(value: Any) -> Json:
    read_only = mapping(value).get("read_only")
    return non_empty(
        {
            "tool_names": text_entries(mapping(value).get("tool_names")),
            "read_only": read_only if isinstance(read_only, bool) else None,
        }
    )
