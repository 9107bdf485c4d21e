"""Limit the memory that unfinished messages of all connections of a relay take together.

Called by the relay's frame scanners and tees, and by the replay server. A message is kept in memory
until its last fragment has arrived. One message may have 64 MB, so that a few connections could
fill the memory. The bytes of all unfinished messages are counted here, with those of messages that
wait to be unpacked. If there are too many, the largest message is dropped first. Messages of usual
calls are small, so that they are not dropped. Pure.
"""

from __future__ import annotations

from typing import Protocol

#: The most bytes of unfinished messages in all connections of a relay.
UNFINISHED_LIMIT = 128 * 1024 * 1024


class MessageHolder(Protocol):
    """An object that holds an unfinished message.

    Attributes:
        held: The bytes of memory that the message takes.
    """

    held: int

    def give_up(self) -> None:
        """Drop the message, and skip the rest of it."""


class UnfinishedMessages:
    """Counts the bytes of unfinished messages, and keeps them below a limit.

    Args:
        limit: The most bytes that all holders may have together.

    Attributes:
        total: The bytes that all holders have now.
    """

    def __init__(self, limit: int = UNFINISHED_LIMIT) -> None:
        self.total = 0
        self._limit = limit
        self._holders: set[MessageHolder] = set()

    def add(self, holder: MessageHolder, size: int) -> None:
        """Count more bytes of a holder. If all are too many, the largest messages are dropped."""
        holder.held += size
        self.total += size
        self._holders.add(holder)
        while self.total > self._limit:
            largest = max(self._holders, key=lambda one: one.held)
            largest.give_up()
            self.release(largest)

    def remove(self, holder: MessageHolder, size: int) -> None:
        """Stop counting some bytes of a holder."""
        holder.held -= size
        self.total -= size
        if not holder.held:
            self._holders.discard(holder)

    def release(self, holder: MessageHolder) -> None:
        """Stop counting a holder, because its message is complete or dropped."""
        if holder.held:
            self.total -= holder.held
            holder.held = 0
            self._holders.discard(holder)
