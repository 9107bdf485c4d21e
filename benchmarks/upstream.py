"""An upstream for relays: it answers each frame of a client with the next frame of a recording."""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve


async def main(path: str) -> None:
    """Answer with the strings of a file of JSON lines until the process is ended."""
    texts = [json.loads(line) for line in Path(path).read_text().splitlines()]

    async def play(connection: ServerConnection) -> None:
        answers = cycle(texts)
        async for _ in connection:
            await connection.send(next(answers))

    async with serve(play, "127.0.0.1", 0, compression=None, max_size=None) as server:
        print(f"Serving on ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
