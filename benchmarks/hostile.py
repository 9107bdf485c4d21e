"""Clients of a relay that mean no good, an upstream for them, and a neighbour whose call they slow.

`python -m benchmarks.hostile upstream` serves; `… neighbour URL` makes a call until its input ends,
and prints how long answers took, in milliseconds; `… ATTACK URL TIMES` attacks: unfinished,
inflating, tiny or silent.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

from websockets.utils import accept_key

_MB = 1024 * 1024
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
_HELLO = b"\x81\xfe\x01\x00" + bytes(4) + b"x" * 256
_ANSWER = b"\x81\x7e\x01\x00" + b"y" * 256
#: Connections at once, and bytes of a message that none of them ends.
AT_ONCE, UNFINISHED = 15, 59 * _MB
_EVERY = 0.01


async def upstream() -> None:
    """Accept every handshake, agree on compression, and answer whatever comes to /call."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"(?i)sec-websocket-key: *(\S+)", head)
            accept = accept_key(found[1].decode()) if found else ""
            deflate = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + (deflate if b"permessage-deflate" in head else b"")
                + b"Sec-WebSocket-Accept: "
                + accept.encode()
                + b"\r\n\r\n"
            )
            answers = head.startswith(b"GET /call")
            while await reader.read(_MB):
                if answers:
                    writer.write(_ANSWER)
        writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"Serving on ws://127.0.0.1:{port}", file=sys.stderr, flush=True)
    await server.serve_forever()


async def _opened(url: str, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    there = urlsplit(url)
    reader, writer = await asyncio.open_connection(there.hostname, there.port)
    writer.write(
        b"GET " + path.encode() + b" HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + _KEY + b"\r\n"
        b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def neighbour(url: str) -> list[float]:
    """Send a frame every ten milliseconds until standard input ends; how long its answer took."""
    reader, writer = await _opened(url, "/call")
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    took: list[float] = []
    print("It calls.", file=sys.stderr, flush=True)
    while not ended.done():
        start = time.perf_counter()
        writer.write(_HELLO)
        await reader.readexactly(len(_ANSWER))
        took.append(1000 * (time.perf_counter() - start))
        await asyncio.sleep(_EVERY)
    return took


async def _send(url: str, data: bytes) -> None:
    """Send this and go, once the relay has taken all of it."""
    with suppress(OSError, asyncio.IncompleteReadError):
        _, writer = await _opened(url, "/hostile")
        for start in range(0, len(data), _MB):
            writer.write(data[start : start + _MB])
            await writer.drain()
        writer.write_eof()
        await asyncio.sleep(0.2)
        writer.transport.abort()


async def unfinished(url: str) -> None:
    """Fifteen messages of 59 MB that never end, at once."""
    begun = b"\x02\xff" + UNFINISHED.to_bytes(8, "big") + bytes(4) + bytes(UNFINISHED)
    await asyncio.gather(*(_send(url, begun) for _ in range(AT_ONCE)))


async def inflating(url: str) -> None:
    """A message of 4 MB that inflates to 4 GB."""
    packer = zlib.compressobj(9, wbits=-15)
    piece = b"a" * (16 * _MB)
    data = b"".join(packer.compress(piece) for _ in range(256)) + packer.flush()
    await _send(url, b"\xc1\xff" + len(data).to_bytes(8, "big") + bytes(4) + data)


async def tiny(url: str) -> None:
    """Half a million empty pings and empty texts on each of four connections."""
    flood = (b"\x89\x80\0\0\0\0" + b"\x81\x80\0\0\0\0") * 250_000
    await asyncio.gather(*(_send(url, flood) for _ in range(4)))


async def silent(url: str) -> None:
    """Three hundred connections that ask for half of something."""
    there = urlsplit(url)
    opened = [await asyncio.open_connection(there.hostname, there.port) for _ in range(300)]
    for _, writer in opened:
        with suppress(OSError):
            writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 60_000)
    await asyncio.sleep(1)
    for _, writer in opened:
        writer.transport.abort()


ATTACKS: dict[str, Callable[[str], Awaitable[None]]] = {
    "unfinished": unfinished,
    "inflating": inflating,
    "tiny": tiny,
    "silent": silent,
}


async def attack(name: str, url: str, times: int) -> None:
    """Do it so many times, one after the other."""
    for _ in range(times):
        await ATTACKS[name](url)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "upstream":
        asyncio.run(upstream())
    elif what == "neighbour":
        gc.freeze()
        print(json.dumps(sorted(asyncio.run(neighbour(*arguments)))))
    else:
        asyncio.run(attack(what, arguments[0], int(arguments[1])))
        print("{}")
