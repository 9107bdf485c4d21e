"""Tell how a response or a tool call ended, in the server's words. Pure.

Called by facets, pages, exports and what prints responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.realtime.values import mapping, text

Json = dict[str, Any]


def reason_of(response: Mapping[str, Any]) -> str | None:
    """Return why a response ended, such as `turn_detected` or the code of an error, or None.

    Args:
        response: A `realtime.response`.
    """
    details = mapping(response.get("status_details"))
    error = mapping(details.get("error"))
    return text(details.get("reason")) or text(error.get("code")) or text(error.get("type"))


def status_words(response: Mapping[str, Any]) -> str:
    """Return the status of a response in a few words, such as `cancelled turn_detected`."""
    words = [text(response.get("status")), reason_of(response)]
    if mapping(response.get("eventstore")).get("interrupted"):
        words.append("(interrupted)")
    return " ".join(filter(None, words))


def failure_of(item: Mapping[str, Any]) -> str | None:
    """Return how a tool call, or the listing of a server's tools, failed; None if it did not.

    Args:
        item: The resource of a conversation item. Its `eventstore` may be missing.
    """
    error = item.get("error")
    progress = mapping(item.get("eventstore")).get("progress")
    if not error and item.get("status") != "failed" and progress != "failed":
        return None
    told = mapping(error)
    code = told.get("code")
    if not isinstance(code, str | int) or isinstance(code, bool):
        code = text(told.get("type"))
    words = ["failed:", code, text(told.get("message")) or text(error)]
    said = " ".join(str(word) for word in words if word is not None and word != "")
    return said if said != "failed:" else "failed"
