"""What the drivers of livekit-agents share: how a conversation of theirs is told."""

from __future__ import annotations

from livekit.agents import llm


def told(context: llm.ChatContext) -> list[tuple[str, str]]:
    """The conversation that a session keeps; what it notes of its agents is left out."""
    items = []
    for item in context.items:
        if item.type == "message":
            items.append((item.role, item.text_content or ""))
        elif item.type == "function_call":
            items.append(("call", item.name))
        elif item.type == "function_call_output":
            items.append(("output", item.output))
    return items
