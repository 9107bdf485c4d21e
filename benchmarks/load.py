"""Clients of a relay, in one process: at a pace, or as fast as answers come.

`python -m benchmarks.load URL FRAMES SESSIONS SECONDS RATE` prints JSON: how long answers took, in
milliseconds. RATE is frames a second of each session, both ways together; 0 for as fast as can be.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections import deque
from itertools import cycle
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

#: Seconds at the start that do not count.
WARM_UP = 2.0
#: Frames on their way at once, as fast as can be.
_WINDOW = 8


async def main(url: str, path: str, sessions: int, seconds: float, rate: float) -> dict[str, Any]:
    """Let sessions talk; what came of it."""
    texts = [json.loads(line) for line in Path(path).read_text().splitlines()]
    start = time.perf_counter() + 0.5
    ends = start + WARM_UP + seconds
    calls = (
        _paced(url, texts, start + 2 * number / rate / sessions, ends, 2 / rate)
        if rate
        else _flat_out(url, texts, ends)
        for number in range(sessions)
    )
    found = [one for call in await asyncio.gather(*calls) for one in call]
    took = sorted(1000 * took for at, took in found if at > start + WARM_UP)
    return {
        "answers": len(took),
        "sent": len(found),
        "seconds": seconds,
        "median": took[len(took) // 2],
        "p99": took[int(len(took) * 0.99)],
        "most": took[-1],
    }


async def _paced(
    url: str, texts: list[str], start: float, ends: float, every: float
) -> list[tuple[float, float]]:
    """Send a frame at each due time; when it was due, and how long after that its answer came."""
    found: list[tuple[float, float]] = []
    due: deque[float] = deque()
    async with connect(url, compression=None, max_size=None) as connection:

        async def listen() -> None:
            async for _ in connection:
                at = due.popleft()
                found.append((at, time.perf_counter() - at))

        listening = asyncio.create_task(listen())
        at = start
        for text in cycle(texts):
            if at >= ends:
                break
            await asyncio.sleep(max(0.0, at - time.perf_counter()))
            due.append(time.perf_counter())
            await connection.send(text)
            at += every
        while due:
            await asyncio.sleep(0.01)
    await listening
    return found


async def _flat_out(url: str, texts: list[str], ends: float) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    due: deque[float] = deque()
    async with connect(url, compression=None, max_size=None) as connection:
        frames = cycle(texts)
        for _ in range(_WINDOW):
            due.append(time.perf_counter())
            await connection.send(next(frames))
        while due:
            await connection.recv()
            at = due.popleft()
            found.append((at, time.perf_counter() - at))
            if at < ends:
                due.append(time.perf_counter())
                await connection.send(next(frames))
    return found


if __name__ == "__main__":
    gc.freeze()
    where, frames, *numbers = sys.argv[1:]
    found = asyncio.run(main(where, frames, int(numbers[0]), *map(float, numbers[1:])))
    print(json.dumps(found))
