"""Transcripts as resources of the protocol, under `call://SESSION/transcript`. Called by server.py.

A client shows resources to its user, who puts them into a chat by hand.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import mcp_types as types

from eventstore.errors import InvalidInputError
from eventstore.mcp.asking import Asker
from eventstore.mcp.bounds import one_line, piece, plain_text
from eventstore.mcp.tools.arguments import ReadTranscript
from eventstore.mcp.tools.briefs import session_brief
from eventstore.mcp.tools.reading import read_transcript
from eventstore.realtime.values import storable

_URI = re.compile(r"call://([^/]{1,2000})/transcript/?")
_TEXT = "text/plain"


def template() -> types.ResourceTemplate:
    """Return the form of the addresses."""
    return types.ResourceTemplate(
        name="transcript",
        title="Transcript of a call",
        uri_template="call://{session_id}/transcript",
        description="What was said in a session, as read_transcript gives it: its first 60 KB."
        " Other characters than letters, digits, - . _ and ~ of the id are written as %XX.",
        mime_type=_TEXT,
    )


def list_calls(asker: Asker, after: str | None) -> types.ListResourcesResult:
    """Return a page of sessions, the newest first.

    Raises:
        EventStoreError: The cursor names no session, or the store cannot be read.
    """
    page = asker.queries.sessions(limit=50, after=after)
    resources = []
    for session in page.data:
        brief = session_brief(session)
        id_ = str(brief.get("session_id", ""))
        pairs = " ".join(f"{key}={value}" for key, value in brief.get("metadata", {}).items())
        told = filter(None, (str(brief.get("started_at", ""))[:19], pairs))
        resources.append(
            types.Resource(
                name=piece(storable(id_), 0, 128).text,
                title=piece(one_line(f"Call {' '.join(told)}"), 0, 200).text,
                uri=f"call://{quote(storable(id_), safe='')}/transcript",
                mime_type=_TEXT,
            )
        )
    return types.ListResourcesResult(
        resources=resources, next_cursor=page.last_id if page.has_more else None
    )


def read_call(asker: Asker, uri: str) -> types.ReadResourceResult:
    """Return the transcript at an address.

    Raises:
        InvalidInputError: The address is none of ours.
        EventStoreError: There is no such session, or it cannot be read.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise InvalidInputError("use an address such as call://sess_123/transcript")
    arguments = ReadTranscript.model_validate({"session_id": unquote(found[1]), "limit": 500})
    answer = read_transcript(asker, arguments)
    contents = types.TextResourceContents(uri=uri, mime_type=_TEXT, text=plain_text(answer.text))
    return types.ReadResourceResult(contents=[contents])
