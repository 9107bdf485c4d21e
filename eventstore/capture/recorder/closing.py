"""Recorders are closed by `with` and by `async with`."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class ClosedAtEnd(ABC):
    """A recorder that is closed at the end of a `with` statement: the base of both recorders."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left, and end the recorder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing may wait for the database. The event loop does not wait with it. It goes on if the
        # caller is cancelled, also before a thread is free for it.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self.close))
