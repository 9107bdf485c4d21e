"""Limit the size of what lists show of a session: keep small fields, and name the others.

Called by the resource of a session as lists show it (session_resource.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.projection.state import SessionState
from eventstore.realtime.values import dumps

#: Largest size of a session's configuration, and of its recorder's notes, in a list.
CONFIGURATION_BYTES, NOTES_BYTES = 64 * 1024, 16 * 1024
#: Longest text of each side of a translation, and of a server's text, in a list.
TRANSLATION_CHARACTERS, TEXT_CHARACTERS = 16 * 1024, 1000
# How many left out fields are named, and the longest name.
_NAMES, _NAME_CHARACTERS = 100, 64


class BoundedFields(NamedTuple):
    """An object without its largest fields.

    Attributes:
        fields: The fields that are kept, in their order.
        left_out: The names of the fields that are cut or left out.
    """

    fields: dict[str, Any]
    left_out: list[str]


def within_bytes(fields: dict[str, Any], most: int) -> BoundedFields:
    """Return the smallest fields of an object that fit into a size.

    A text that does not fit is cut. Any other value that does not fit is left out.

    Args:
        fields: The object.
        most: The size of all kept fields as JSON, in bytes.
    """
    sizes = {key: _size(key) + _size(value) for key, value in fields.items()}
    if sum(sizes.values()) <= most:
        return BoundedFields(fields, [])
    kept, left_out, room = {}, [], most
    for key in sorted(sizes, key=sizes.__getitem__):
        value, size = fields[key], sizes[key]
        if size > room:
            left_out.append(key[:_NAME_CHARACTERS])
            if not isinstance(value, str) or len(key) > _NAME_CHARACTERS:
                continue
            value = value[:TEXT_CHARACTERS] + "…"
            size = _size(key) + _size(value)
        if size <= room:
            kept[key] = value
            room -= size
    return BoundedFields({key: kept[key] for key in fields if key in kept}, left_out[:_NAMES])


def _size(value: Any) -> int:
    return len(dumps(value).encode())


def listed_configuration(state: SessionState) -> BoundedFields:
    """Return a session's configuration as lists show it. The last result is kept in the state."""
    known = state.listed
    if known is None or known[0] is not state.wire:
        known = state.listed = state.wire, within_bytes(state.wire, CONFIGURATION_BYTES)
    found: BoundedFields = known[1]
    return found


def beginning(pieces: list[str], most: int) -> tuple[str, bool]:
    """Return the joined pieces of a text, cut at `most` characters, and True if they were cut."""
    taken, length = [], 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length > most:
            return "".join(taken)[:most].strip(), True
    return "".join(taken).strip(), False
