"""Integration: gzip, zstd and zlib files are read as what is in them, whatever they are called."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from support.import_files import answer, created, imported, jsonl

from eventstore import EventStore, InvalidInputError
from eventstore.capture.files import unpacking
from eventstore.capture.files.import_file import Imported
from eventstore.capture.files.unpacking import unpacked

CALL = jsonl(created("sess_1"), *answer("resp_1"))
_zstd = zstandard.ZstdCompressor(write_checksum=True).compress


def _zlib(content: bytes) -> bytes:
    return zlib.compress(content, 9)


each_packing = pytest.mark.parametrize(
    "pack", [gzip.compress, _zstd, _zlib], ids=["gzip", "zstd", "zlib"]
)
Pack = Callable[[bytes], bytes]


@each_packing
def test_a_packed_file_is_imported(store: EventStore, tmp_path: Path, pack: Pack) -> None:
    path = tmp_path / "call.jsonl"
    path.write_bytes(pack(CALL))
    assert store.import_file(path) == [Imported("sess_1", 3, 1, 3)]
    assert imported(store, pack(CALL)) == [Imported("sess_1", 3, 1, 0)]


@each_packing
def test_a_file_of_several_packed_parts_is_whole(pack: Pack) -> None:
    assert unpacked(io.BytesIO(pack(b"one ") + pack(b"two"))).read() == b"one two"


@each_packing
def test_a_packed_file_goes_back_and_forth(pack: Pack) -> None:
    content = bytes(range(256)) * 2000
    stream = unpacked(io.BytesIO(pack(content)))
    for place in (0, 400_000, 3, 300_000, 0):
        stream.seek(place)
        assert stream.read(10) == content[place : place + 10]


@each_packing
@pytest.mark.parametrize("keep_going", [False, True])
def test_a_damaged_file_is_refused(store: EventStore, pack: Pack, keep_going: bool) -> None:
    packed = pack(CALL * 100)
    turned = bytes([packed[len(packed) // 2] ^ 0xFF])
    middle = packed[: len(packed) // 2] + turned + packed[len(packed) // 2 + 1 :]
    for content in (packed[:-20], middle):
        with pytest.raises(InvalidInputError, match="file is damaged or cut off"):
            imported(store, content, keep_going=keep_going)


@each_packing
def test_a_file_that_unpacks_without_end_is_refused(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, pack: Pack
) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(InvalidInputError, match="unpacks to more than"):
        imported(store, pack(b"\n" * 2_000_000))


def test_a_zstd_file_that_asks_for_too_much_memory_is_refused(store: EventStore) -> None:
    # A frame's header that asks for a window of 2 GiB.
    content = b"\x28\xb5\x2f\xfd\x00\xa8" + bytes(20)
    with pytest.raises(InvalidInputError, match="zstd file is damaged"):
        imported(store, content)


@each_packing
def test_a_file_that_is_packed_twice_is_refused(store: EventStore, pack: Pack) -> None:
    with pytest.raises(InvalidInputError, match="packed twice"):
        imported(store, pack(pack(CALL)))
