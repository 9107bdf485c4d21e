"""Convert a session's configuration between the protocols: Realtime and GPT-Live.

A Realtime model calls its tools itself, and a Live model gives such work to an app or to a backend
with a model of its own. What the other protocol cannot express is told. Called by reseeds.
"""

from __future__ import annotations

from typing import Any

from eventstore.realtime.audio import output_format
from eventstore.realtime.resources.dialects import response_config
from eventstore.realtime.resources.live_config import live_format
from eventstore.realtime.resources.session_tools import ga_tools
from eventstore.realtime.values import mapping, non_empty, sequence, text

Json = dict[str, Any]

#: The voices that models of both protocols have.
_VOICES = frozenset(
    {
        *("alloy", "ash", "ballad", "cedar", "coral"),
        *("echo", "marin", "sage", "shimmer", "verse"),
    }
)
_PCM_RATE = 24_000


def as_live(session: Json) -> tuple[Json, list[str]]:
    """Return a Realtime session's configuration as a Live session's, and what is lost.

    Args:
        session: The session as a server described it, or as a client asked for it.
    """
    lost: list[str] = []
    voice = response_config(session)["voice"]
    if voice is not None and voice not in _VOICES:
        lost.append(f"the voice {voice}, which is not one of both protocols")
        voice = None
    names = [tool.get("name") or tool.get("server_label") for tool in ga_tools(session)]
    if names:
        lost.append(
            f"the tools {', '.join(map(str, names))}: a Live session gives work to your app, "
            "or to a backend that has tools; see session.delegation"
        )
    output = {"voice": voice} if voice else {}
    format_ = live_format(_with_rate(output_format(session)))
    return (
        non_empty(
            {
                "instructions": text(session.get("instructions")),
                "audio": non_empty({"format": format_, "output": output}),
            }
        ),
        lost,
    )


def _with_rate(format_: Json | None) -> Json | None:
    """Return a format with its rate, which Realtime does not tell of telephony."""
    if format_ is None or "rate" in format_:
        return format_
    return {**format_, "rate": 8000}


def as_realtime(session: Json) -> tuple[Json, list[str]]:
    """Return a Live session's configuration as a Realtime session's, and what is lost.

    The model of the Realtime session does the work of the backend as well, so that it gets the
    backend's instructions and tools.

    Args:
        session: A Live session as `live_config` returns it.
    """
    delegation = mapping(session.get("delegation"))
    backend = mapping(delegation.get("responses"))
    audio = mapping(session.get("audio"))
    lost = list(_lost_in_realtime(session, delegation, backend))
    format_, voice = mapping(audio.get("format")), mapping(audio.get("output")).get("voice")
    if format_.get("rate") not in (None, _PCM_RATE) and format_.get("type") == "audio/pcm":
        lost.append(f"the audio's format, PCM at {format_['rate']:,} Hz: it is PCM at 24,000 Hz")
        format_ = {}
    if isinstance(voice, str) and voice not in _VOICES:
        lost.append(f"the voice {voice}, which is not one of both protocols")
        voice = None
    told = [text(one.get("instructions")) for one in (session, backend)]
    made = {
        "output_modalities": ["audio"],
        "instructions": "\n\n".join(filter(None, told)) or None,
        "audio": non_empty(
            {
                "input": non_empty({"format": format_}),
                "output": non_empty({"format": format_, "voice": voice}),
            }
        ),
        "tools": backend.get("tools"),
        "tool_choice": backend.get("tool_choice"),
        "parallel_tool_calls": backend.get("parallel_tool_calls"),
    }
    return non_empty(made), lost


def _lost_in_realtime(session: Json, delegation: Json, backend: Json) -> list[str]:
    """Return what a Realtime session has no place for, a sentence each."""
    lost = []
    if delegation.get("type") == "client":
        lost.append("the work that your app did for the model: give the new session tools for it")
    if delegation.get("type") == "decisions" or session.get("triggers"):
        lost.append("the decisions, which a Realtime session does not have")
    tools = [mapping(tool) for tool in sequence(backend.get("tools"))]
    kinds = [str(tool.get("type")) for tool in tools if tool.get("type") not in ("function", "mcp")]
    if kinds:
        lost.append(f"the backend's tools {', '.join(kinds)}, which a Realtime session lacks")
    return lost
