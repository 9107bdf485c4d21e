"""Return the tools of a Live session's backend, and how it chooses one, as a client may send them.

Called by live_config.py. Credentials of MCP servers are left out, as in session_tools.py.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.resources.session_tools import function_tool, mcp_tool
from eventstore.realtime.resources.shapes import (
    Shape,
    by_type,
    first_of,
    flag,
    listed,
    literal,
    record,
)
from eventstore.realtime.values import mapping, non_empty, sequence, text

Json = dict[str, Any]

#: Tools of the Responses API that need no other member than their `type`.
_BUILT_IN = frozenset(
    {
        *("web_search", "file_search", "code_interpreter", "image_generation", "custom"),
        *("namespace", "tool_search", "programmatic_tool_calling", "computer", "apply_patch"),
    }
)
_NETWORK = by_type(
    {
        "disabled": record(),
        "allowlist": record({"allowed_domains": listed(text)}),
    }
)
_CONTAINER = {
    "file_ids": listed(text),
    "memory_limit": literal("1g", "4g", "16g", "64g"),
    "network_policy": _NETWORK,
}
_ENVIRONMENT = by_type(
    {
        "container_auto": record(optional=_CONTAINER),
        "container_reference": record({"container_id": text}),
        "local": record(),
    }
)
_CHOSEN: dict[str, Shape] = {
    "function": record({"name": text}),
    "mcp": record({"server_label": text, "name": text}),
    "custom": record({"name": text}),
    **{
        kind: record()
        for kind in (
            *("file_search", "web_search", "web_search_preview", "image_generation", "computer"),
            *("code_interpreter", "programmatic_tool_calling", "shell", "apply_patch"),
        )
    },
}
_MODE = literal("none", "auto", "required")
_ALLOWED = record({"tools": listed(by_type(_CHOSEN))}, {"mode": _MODE})

#: How the backend chooses a tool.
live_tool_choice: Shape = first_of(_MODE, by_type({**_CHOSEN, "allowed_tools": _ALLOWED}))


def live_tools(tools: Any) -> list[Json]:
    """Return the tools of a backend that a client may send."""
    made = (_tool(mapping(tool)) for tool in sequence(tools))
    return [tool for tool in made if tool is not None]


def _tool(tool: Json) -> Json | None:
    kind = text(tool.get("type"))
    if kind == "mcp":
        return mcp_tool(tool)
    if kind == "function":
        made = function_tool(tool)
        strict = flag(tool.get("strict"))
        return made if made is None or strict is None else {**made, "strict": strict}
    if kind == "shell":
        return {"type": kind} | non_empty({"environment": _ENVIRONMENT(tool.get("environment"))})
    if kind not in _BUILT_IN:
        return None
    # The reference tells no more of these tools than their type, and servers have more.
    return non_empty(tool)
