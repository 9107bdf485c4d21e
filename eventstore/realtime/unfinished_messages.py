"""How many bytes of messages that are not recorded yet all connections of a relay hold together.

A message is kept until its last fragment has come. One connection may hold one of 64 MB, so a few
of them could fill the memory: here they are counted together, with those that wait to be unpacked,
and the largest is given up first. A call's own messages are small, so it is never a usual call that
loses one. Used by the relay's frame scanners and tees. Pure.
"""

from __future__ import annotations

from typing import Protocol

#: Bytes of unfinished messages that all connections of a relay may hold together.
UNFINISHED_LIMIT = 128 * 1024 * 1024


class MessageHolder(Protocol):
    """Something that holds an unfinished message.

    Attributes:
        held: how many bytes of memory that takes.
    """

    held: int

    def give_up(self) -> None:
        """Drop what is held, and pass the rest of the message over."""


class UnfinishedMessages:
    """Counts the bytes that holders hold, and keeps them below a limit.

    Args:
        limit: bytes that all of them may hold together.

    Attributes:
        total: bytes that they hold now.
    """

    def __init__(self, limit: int = UNFINISHED_LIMIT) -> None:
        self.total = 0
        self._limit = limit
        self._holders: set[MessageHolder] = set()

    def add(self, holder: MessageHolder, size: int) -> None:
        """Count more bytes of a holder. Where they are too many, the largest gives its own up."""
        holder.held += size
        self.total += size
        self._holders.add(holder)
        while self.total > self._limit:
            largest = max(self._holders, key=lambda one: one.held)
            largest.give_up()
            self.release(largest)

    def remove(self, holder: MessageHolder, size: int) -> None:
        """Count so many bytes of a holder no more."""
        holder.held -= size
        self.total -= size
        if not holder.held:
            self._holders.discard(holder)

    def release(self, holder: MessageHolder) -> None:
        """Count nothing of a holder any more: its message is whole, or given up."""
        if holder.held:
            self.total -= holder.held
            holder.held = 0
            self._holders.discard(holder)
