"""Fill the columns that only rows of GPT-Live sessions have. Pure. Called by write_parquet.py."""

from __future__ import annotations

from typing import Any

from eventstore.realtime.values import integer, mapping, storable, text

Json = dict[str, Any]


def live_response_columns(notes: Json) -> tuple[Any, ...]:
    """Return `kind`, `start_ms`, `end_ms` and `delegation_id`; None each for other sessions.

    Args:
        notes: The response's `eventstore`.
    """
    return (*_place(notes), _text(notes.get("delegation_id")))


def live_item_columns(notes: Json) -> tuple[Any, ...]:
    """Return the columns of an item from `kind` on; None each for other sessions.

    Args:
        notes: The item's `eventstore`.
    """
    kind = _text(notes.get("kind"))
    return (
        *_place(notes),
        notes.get("backchannel") is True if kind == "speech" else None,
        _text(notes.get("context")),
        _text(notes.get("delegation_id")),
        _text(mapping(notes.get("delegation")).get("target")),
    )


def _place(notes: Json) -> tuple[Any, ...]:
    return _text(notes.get("kind")), integer(notes.get("start_ms")), integer(notes.get("end_ms"))


def _text(value: Any) -> str | None:
    told = text(value)
    return None if told is None else storable(told)
