"""Limit the memory that unpacking a segment may take, whoever made the segment.

Called by the modules that read segments. A few crafted bytes can unpack to gigabytes of zeros, and
a header can list what is not there. So the size of the packed bytes, and what the log says of the
segment, limit the unpacked size. Anything larger is refused before memory is taken for it. Every
real segment keeps these limits.
"""

from __future__ import annotations

from eventstore.segments.digest import SEGMENT_EVENTS

#: The most events of a segment. Sealing then begins another segment.
MAX_EVENTS = SEGMENT_EVENTS

# Silence packs 700 to 1. But a segment has 8 MB of frames at most, unless one frame has more.
_FLOOR, _RATIO = 32 * 1024 * 1024, 512
# Bytes for each byte of frames, whose text may be escaped in the list of kinds, and for each event.
_OF_FRAMES, _OF_EVENT = 16, 4096

#: The largest integer, and the largest size or place in a text, that the log's columns can hold.
MAX_INT, MAX_SIZE = 2**63 - 1, 2**31 - 1


def room_for(packed_bytes: int, events: int, frame_bytes: int | None = None) -> int:
    """Return how many bytes one block of a segment may unpack to.

    Args:
        packed_bytes: The size of the segment's packed blocks.
        events: The number of events that the segment's header states.
        frame_bytes: The size of its frames on the wire, as the log says, or None if unknown.
    """
    room = max(_FLOOR, _RATIO * packed_bytes)
    if frame_bytes is None:
        return room
    return min(room, _OF_FRAMES * max(0, frame_bytes) + _OF_EVENT * (events + 16))


def check_room(size: int, room: int) -> None:
    """Check that a size is not negative and not larger than the room.

    Raises:
        ValueError: It is.
    """
    if not 0 <= size <= room:
        raise ValueError(f"it would unpack to {size:,} bytes, and {room:,} are possible")
