"""How the sessions of a `RecorderProcess` share its memory, so that one flood slows no other. Pure.

All numbers are bytes: `own` is what one session holds, `held` is what all sessions hold together,
and `memory` is the limit.
"""

from __future__ import annotations

#: One part in so many of the memory is reserved for sessions that hold less than that.
_RESERVED_SHARE = 16
# If more than the first share of the memory is in use, a session may hold up to the second share of
# it before it should slow down. Usual calls hold far less while the recorder keeps up.
_SESSION_LIMITS = ((3 / 4, 1 / 256), (7 / 8, 1 / 8192))


def has_room(size: int, own: int, held: int, memory: int) -> bool:
    """Return True if a session may add a frame of so many bytes."""
    reserve = memory // _RESERVED_SHARE
    return held + size <= memory - (reserve if own + size > reserve else 0)


def holds_much(own: int, held: int, sessions: int, memory: int) -> bool:
    """Return True if a session should slow down, because memory fills up.

    If more than half of the memory is in use, that is so for sessions that hold the average or
    more: they fill it, and must not slow the others down. The more memory is in use, the less a
    session may hold.

    Args:
        sessions: How many sessions hold something.
    """
    if 2 * held <= memory:
        return False
    if own * sessions >= held:
        return True
    return any(held > full * memory and own > may * memory for full, may in _SESSION_LIMITS)
