"""Integration: a large file is read in pieces, in whichever format it is."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest
from capture.files.formats.written import WRITTEN, Written

from eventstore.capture.files.formats.recording_file import open_recording
from eventstore.realtime.frames import SERVER, Frame

_MESSAGES, _SIZE = 300, 100_000


_PLAIN = [pytest.param(written, bytes, id=name) for name, written in WRITTEN.items()]
_PACKED = [
    pytest.param(WRITTEN[name], gzip.compress, id=f"{name} packed") for name in ("har", "csv")
]


@pytest.mark.parametrize(("written", "pack"), [*_PLAIN, *_PACKED])
def test_a_large_file_is_never_held_whole(tmp_path: Path, written: Written, pack: object) -> None:
    text = f'{{"type":"response.audio.delta","delta":"{"A" * _SIZE}"}}'
    call = [Frame(SERVER, text, 1_780_000_000_000_000 + n) for n in range(_MESSAGES)]
    path = tmp_path / "file"
    path.write_bytes(pack(written.write(call)))  # type: ignore[operator]
    del call
    tracemalloc.start()
    try:
        with path.open("rb") as file, open_recording(file) as recording:
            assert sum(1 for _ in recording.read()) == _MESSAGES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < _MESSAGES * _SIZE / 2
