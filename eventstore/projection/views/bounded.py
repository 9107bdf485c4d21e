"""What lists show of objects of any size: small fields, and the names of the others."""

from __future__ import annotations

from typing import Any, NamedTuple

from eventstore.projection.state import SessionState
from eventstore.realtime.values import dumps

#: Bytes of a session's configuration, and of what its recorder noted, that lists show.
CONFIGURATION_BYTES, NOTES_BYTES = 64 * 1024, 16 * 1024
#: Characters of each side of a translation, and of a text of the server's, that lists show.
TRANSLATION_CHARACTERS, TEXT_CHARACTERS = 16 * 1024, 1000
# Fields that are named, and characters of a name.
_NAMES, _NAME_CHARACTERS = 100, 64


class BoundedFields(NamedTuple):
    """An object of which the largest fields may be missing.

    Attributes:
        fields: those that are there, in their order.
        left_out: the names of those that are cut or missing.
    """

    fields: dict[str, Any]
    left_out: list[str]


def within_bytes(fields: dict[str, Any], most: int) -> BoundedFields:
    """Return an object with the smallest of its fields.

    A text that is too long is cut; all else that is too large is left out.

    Args:
        most: bytes of JSON that the fields take together.
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
    """Return what lists show of a session's configuration; it is looked through once."""
    known = state.listed
    if known is None or known[0] is not state.wire:
        known = state.listed = state.wire, within_bytes(state.wire, CONFIGURATION_BYTES)
    found: BoundedFields = known[1]
    return found


def beginning(pieces: list[str], most: int) -> tuple[str, bool]:
    """Return the text that pieces make, cut at so many characters, and whether it is cut."""
    taken, length = [], 0
    for piece in pieces:
        taken.append(piece)
        length += len(piece)
        if length > most:
            return "".join(taken)[:most].strip(), True
    return "".join(taken).strip(), False
