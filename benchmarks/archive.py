"""Sealing: how small, how fast, and how fast a sealed session reads."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Sequence

import numpy as np
import soundfile
import zstandard

from benchmarks import sessions, speech
from benchmarks.databases import Databases
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.rounds import median, progress, ratio, settle, timed
from eventstore import EventStore
from eventstore.archive.seal import Sealed
from eventstore.errors import EventStoreError
from eventstore.realtime.frames import CLIENT, SERVER, Frame, decode_columns
from eventstore.store.database.workers import collect_garbage_seldom

SESSION = "sess_benchmark"
OF_JSONL, OF_GZIP, OF_ZSTD, OF_FLAC, OF_TEXT = 0.38, 0.65, 0.75, 1.015, 0.15
SEALED_MB, READ = 70.0, 0.5
_SECONDS = 600
_TEXT_EVENTS = 500


def run(databases: Databases, options: Options) -> Report:
    """A voice call and a text session: their sizes; the voice call's speed on each database."""
    report = Report("archive", "archive: sealed sessions, against their JSON lines")
    progress("archive: making a call")
    frames = speech.call(_SECONDS / 10 if options.quick else _SECONDS)
    report.size = f"{len(frames):,} events"
    settle()
    collect_garbage_seldom()  # as the command does
    for number, backend in enumerate(databases.backends(options.backends)):
        with databases.fresh(backend) as url, EventStore(url) as store:
            store.append(SESSION, frames, close=True)
            lines = b"".join(store.export(SESSION))
            if number == 0:
                _sizes(report, lines, _seal(store).packed_bytes, frames)
                store.unseal(SESSION).raise_for_errors()
            _speed(report, options, backend, store, len(lines))
    with databases.fresh(databases.backends(options.backends)[0]) as url, EventStore(url) as store:
        store.append(SESSION, sessions.text(_TEXT_EVENTS), close=True)
        size = len(b"".join(store.export(SESSION)))
        found = _seal(store).packed_bytes / size
        what = "size of a text session, of its JSON lines"
        report.add(what, found, OF_TEXT, at_most=True, size=f"{_TEXT_EVENTS} events")
    return report


def _seal(store: EventStore) -> Sealed:
    (done,) = store.seal([SESSION]).done
    if isinstance(done, EventStoreError):
        raise done
    return done


def _sizes(report: Report, lines: bytes, packed: int, frames: Sequence[Frame]) -> None:
    progress("archive: gzip, zstd and FLAC")
    zipped = len(gzip.compress(lines, 6))
    zstd = len(zstandard.ZstdCompressor(19).compress(lines))
    flac = sum(_flac_size(_sound(frames, side)) for side in (CLIENT, SERVER))
    minutes = len(_sound(frames, CLIENT)) / speech.RATE / 60
    for what, size, target in (
        ("of its JSON lines", len(lines), OF_JSONL),
        ("of gzip -6 of them", zipped, OF_GZIP),
        ("of zstd -19 of them", zstd, OF_ZSTD),
        ("of the two sides' FLAC files alone", flac, OF_FLAC),
    ):
        report.add(
            f"size of a voice call, {what}",
            packed / size,
            target,
            at_most=True,
            size=f"{minutes:.1f} minutes",
            MB=size / 1e6,
            packed=packed / 1e6,
        )


def _sound(frames: Sequence[Frame], side: str) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    columns = (decode_columns(frame.text) for frame in frames if frame.direction == side)
    data = b"".join(audio for _, _, offset, audio, _ in columns if audio and (offset or 0) >= 0)
    return np.frombuffer(data, "<i2", len(data) // 2)


def _flac_size(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> int:
    stream = io.BytesIO()
    soundfile.write(stream, samples, speech.RATE, format="FLAC", subtype="PCM_16")
    return len(stream.getvalue())


def _speed(report: Report, options: Options, backend: str, store: EventStore, size: int) -> None:
    progress(f"archive: sealing and reading, {backend}")
    rates, of_core = [], []
    read: dict[str, list[float]] = {"unsealed": [], "sealed": []}

    def whole() -> None:
        for _ in store.events(SESSION):
            pass

    for _ in range(options.rounds(5)):
        read["unsealed"].append(timed(whole))
        cpu = time.process_time()
        seconds = timed(lambda: _seal(store))
        rates.append(size / 1e6 / seconds)
        of_core.append(size / 1e6 / (time.process_time() - cpu))
        read["sealed"].append(timed(whole))
        store.unseal(SESSION).raise_for_errors()
    report.add(
        f"{backend}: sealed a second of its core, verified",
        median(of_core),
        SEALED_MB,
        unit=" MB",
    )
    report.add(
        f"{backend}: sealed a second by the clock, the database's work included",
        median(rates),
        unit=" MB",
    )
    report.add(
        f"{backend}: a sealed session read, against an unsealed one",
        ratio(read["unsealed"], read["sealed"]),
        READ,
    )
