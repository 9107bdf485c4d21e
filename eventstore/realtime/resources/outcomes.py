"""How a response or a tool's call ended, where it did not end well, in a server's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.realtime.values import mapping, text

Json = dict[str, Any]


def reason_of(response: Mapping[str, Any]) -> str | None:
    """Return why a response ended as it did: `turn_detected`, say, or an error's code.

    Args:
        response: a `realtime.response`.
    """
    details = mapping(response.get("status_details"))
    error = mapping(details.get("error"))
    return text(details.get("reason")) or text(error.get("code")) or text(error.get("type"))


def status_words(response: Mapping[str, Any]) -> str:
    """Return a response's status in a few words, with the reason where there is one."""
    words = [text(response.get("status")), reason_of(response)]
    if mapping(response.get("eventstore")).get("interrupted"):
        words.append("(interrupted)")
    return " ".join(filter(None, words))


def failure_of(item: Mapping[str, Any]) -> str | None:
    """Return how a tool's call, or the listing of its tools, failed; None where it did not.

    Args:
        item: a conversation item, with its notes under `eventstore` where there are some.
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
