"""Sends a nameless file as an HTTP response, whole or in the byte range of the request.

Called by `web/api/audio.py`. Ranges follow RFC 9110, section 14.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from eventstore.web.sound.sound_files import NamelessFile

_RANGE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})-([0-9]{0,18})\s*")
# How many bytes are read and sent at once.
_PIECE = 256 * 1024


class ByteRange(NamedTuple):
    """Bytes of a file, from `first` up to the one before `end`."""

    first: int
    end: int


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """Return the span of a file that a `Range` header asks for.

    Args:
        header: `bytes=0-499`, `bytes=500-`, `bytes=-500` or the like; None if there is no header.
        size: How many bytes the file has.

    Returns:
        The whole file if there is no header, if it has several ranges, or if it cannot be read:
        RFC 9110 lets a server ignore such a header. None if no byte of the file is in the range.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return ByteRange(0, size)
    if found[1] == "":
        first, end = max(0, size - int(found[2])), size
    else:
        first = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < first:
            return ByteRange(0, size)
    return ByteRange(first, end) if first < end else None


class NamelessFileResponse(Response):
    """A response with a file's bytes. If the file is emptied meanwhile, the response ends early.

    Args:
        file: The file.
        media_type: The media type of its content.
        tag: A text that differs for each content, for the header `ETag`.
    """

    def __init__(self, file: NamelessFile, media_type: str, tag: str) -> None:
        super().__init__(media_type=media_type)
        self._file, self._size = file, file.size
        self.headers["Accept-Ranges"] = "bytes"
        self.headers["ETag"] = f'"{tag}"'
        self.headers["Content-Length"] = str(self._size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, the part of it that was asked for, or the status 416."""
        headers = Headers(scope=scope)
        range_header = headers.get("range")
        if headers.get("if-range", self.headers["ETag"]) != self.headers["ETag"]:
            range_header = None
        span = requested_range(range_header, self._size)
        if span is None:
            self.status_code = 416
            self.headers["Content-Range"] = f"bytes */{self._size}"
            span = ByteRange(0, 0)
        elif span != (0, self._size):
            self.status_code = 206
            self.headers["Content-Range"] = f"bytes {span.first}-{span.end - 1}/{self._size}"
        self.headers["Content-Length"] = str(span.end - span.first)
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        place = span.first
        while place < span.end:
            piece = await run_in_threadpool(self._file.read, place, min(_PIECE, span.end - place))
            if not piece:
                return
            place += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
