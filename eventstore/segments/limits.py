"""How much a segment may unpack to, whoever made it: bounds that every real segment keeps.

A few bytes can say that they are gigabytes of zeros, and a header can list what is not there. So
the bytes that came, and what the log says of the segment, bound what is unpacked of it; what wants
more is refused before it is made. Called by unpack.py.
"""

from __future__ import annotations

from eventstore.segments.digest import SEGMENT_EVENTS

#: Events of a segment: sealing begins another one then.
MAX_EVENTS = SEGMENT_EVENTS

# Silence packs 700 to 1, but a segment has 8 MB of frames, unless one frame alone has more.
_FLOOR, _RATIO = 32 * 1024 * 1024, 512
# A frame's text may be escaped in the list of kinds; a row's numbers take some bytes.
_OF_FRAMES, _OF_EVENT = 16, 4096

#: What a time, a place in a text and a size can be: the columns of the log hold no more.
MAX_INT, MAX_SIZE = 2**63 - 1, 2**31 - 1


def room_for(packed_bytes: int, events: int, frame_bytes: int | None = None) -> int:
    """Return how many bytes one block of a segment may unpack to.

    Args:
        packed_bytes: what the segment takes.
        events: how many events it says that it has.
        frame_bytes: what its frames took on the wire, as the log says; None where not known.
    """
    room = max(_FLOOR, _RATIO * packed_bytes)
    if frame_bytes is None:
        return room
    return min(room, _OF_FRAMES * max(0, frame_bytes) + _OF_EVENT * (events + 16))


def check_room(size: int, room: int) -> None:
    """Raise ValueError where a size is none, or more than there is room for."""
    if not 0 <= size <= room:
        raise ValueError(f"it would unpack to {size:,} bytes, and {room:,} are possible")
