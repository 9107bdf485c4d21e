"""Unpack gzip, zstd and zlib files while they are read; `recording_file.py` calls it."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple, cast

import zstandard

from eventstore.errors import InvalidInputError

#: Bytes that a packed file may unpack to: a small file may unpack without end.
MAX_UNPACKED = 16 * 1024**3
# Memory that a zstd file may need; files of `zstd --long` need as much.
_MAX_WINDOW = 1 << 27
_LONGEST_SKIP = 1 << 20
# Bytes that are unpacked at once: four bytes may unpack to 128 kB.
_READ_BYTES = 1024


class _Compression(NamedTuple):
    name: str
    first_bytes: bytes
    open: Callable[[BinaryIO], Any]
    unpack: str


def _gzip(stream: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=stream, mode="rb")


def _zstd(stream: BinaryIO) -> Any:
    # The package's own reader does not notice that a frame is cut off.
    return _FrameReader(
        stream, zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompressobj
    )


def _zlib(stream: BinaryIO) -> Any:
    return _FrameReader(stream, zlib.decompressobj)


class _FrameReader:
    """Reads data that are packed in frames, one after the other.

    Args:
        stream: The file.
        begin: Returns a decompressor for the next frame.
    """

    def __init__(self, stream: BinaryIO, begin: Callable[[], Any]) -> None:
        self._stream, self._begin = stream, begin
        self._frame: Any = None
        self._behind = b""  # what was read behind a frame's end
        self._held, self._at = b"", 0

    def read(self, size: int) -> bytes:
        """Return up to so many unpacked bytes; empty at the end.

        Raises:
            EOFError: If the file ends within a frame.
            ZstdError, zlib.error: If it is damaged.
        """
        while self._at == len(self._held):
            piece = self._behind or self._stream.read(_READ_BYTES)
            self._behind = b""
            if not piece:
                if self._frame is not None:
                    raise EOFError("it ends too early")
                return b""
            if self._frame is None:
                self._frame = self._begin()
            self._held, self._at = self._frame.decompress(piece), 0
            if self._frame.eof:
                self._behind, self._frame = self._frame.unused_data, None
        found = self._held[self._at : self._at + size]
        self._at += len(found)
        return found


_COMPRESSIONS = (
    _Compression("gzip", b"\x1f\x8b", _gzip, "zcat"),
    _Compression("zstd", b"\x28\xb5\x2f\xfd", _zstd, "zstdcat"),
    # mitmproxy packs HAR files that are named .zhar in this way, at the highest level.
    _Compression("zlib", b"\x78\xda", _zlib, "pigz -dc <"),
)


def unpacked(stream: BinaryIO) -> BinaryIO:
    """Return a stream of a packed file's content; the file itself if it is not packed.

    Args:
        stream: A file that can seek to its start.
    """
    stream.seek(0)
    first = stream.read(4)
    stream.seek(0)
    for compression in _COMPRESSIONS:
        if first.startswith(compression.first_bytes):
            return cast(BinaryIO, io.BufferedReader(_UnpackedStream(stream, compression), 1 << 16))
    return stream


class _UnpackedStream(io.RawIOBase):
    """The content of a packed file. To seek back, it begins again.

    Raises:
        InvalidInputError: While reading, if the file is damaged or unpacks to too much.
    """

    def __init__(self, stream: BinaryIO, compression: _Compression) -> None:
        self._stream, self._packing = stream, compression
        self._source: Any = None
        self._read = 0
        self._begin()

    def _begin(self) -> None:
        self._stream.seek(0)
        self._source, self._read = self._packing.open(self._stream), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes were unpacked so far."""
        return self._read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, counted from the start or from the current position."""
        target = offset + (self._read if whence == io.SEEK_CUR else 0)
        if whence == io.SEEK_END or target < 0:
            raise io.UnsupportedOperation("seek from the end")
        if target < self._read:
            self._begin()
        while self._read < target and self._take(min(target - self._read, _LONGEST_SKIP)):
            pass
        return self._read

    def readinto(self, buffer: Any) -> int:
        """Unpack as many bytes as the buffer has room for."""
        piece = self._take(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _take(self, size: int) -> bytes:
        name = self._packing.name
        try:
            piece: bytes = self._source.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
            message = " ".join(str(error).split())[:100]
            raise InvalidInputError(f"the {name} file is damaged or cut off ({message})") from error
        self._read += len(piece)
        if self._read > MAX_UNPACKED:
            raise InvalidInputError(
                f"the {name} file unpacks to more than {MAX_UNPACKED // 1024**3} GiB; if that is"
                f" right: {self._packing.unpack} FILE | eventstore import -"
            )
        return piece
