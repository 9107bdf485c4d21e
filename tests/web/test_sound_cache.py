"""Files that are made of sessions' sound: kept as long as they are of the session as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from archive.exports.calls_to_export import put_sample

from eventstore import ErasedError, EventStore, NotFoundError
from eventstore.web.audio import SoundCache


@pytest.fixture
def cache() -> Iterator[SoundCache]:
    made = SoundCache()
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    with EventStore(f"sqlite:///{tmp_path}/calls.db") as opened:
        yield opened


def test_a_file_is_made_once(store: EventStore, cache: SoundCache) -> None:
    call = put_sample(store)
    for text in ("one", "two"):
        path = cache.get(store, call, "waveform", lambda made, text=text: made.write_text(text))
        assert path.read_text() == "one"
    other = cache.get(store, call, "wav", lambda made: made.write_text("other"))
    assert (path.read_text(), other.read_text()) == ("one", "other")


def test_a_call_that_went_on_is_made_anew(store: EventStore, cache: SoundCache) -> None:
    call = put_sample(store)
    before = cache.get(store, call, "wav", lambda made: made.write_text("before"))
    store.set_metadata(call, {"customer": "42"})
    now = cache.get(store, call, "wav", lambda made: made.write_text("now"))
    assert now.read_text() == "now" and not before.exists()


def test_nothing_is_left_of_what_was_erased(store: EventStore, cache: SoundCache) -> None:
    call = put_sample(store)
    store.append(call, [], close=True)
    heard = cache.get(store, call, "wav", lambda made: made.write_text("heard"))
    store.erase(call, audio_only=True, vacuum=False)
    silent = cache.get(store, call, "wav", lambda made: made.write_text("silent"))
    assert silent.read_text() == "silent" and not heard.exists()
    store.erase(call, vacuum=False)
    with pytest.raises(ErasedError):
        cache.get(store, call, "wav", lambda made: made.write_text("again"))
    assert not silent.exists()


def test_who_does_not_see_a_session_deletes_nothing(store: EventStore, cache: SoundCache) -> None:
    call = put_sample(store)
    path = cache.get(store, call, "wav", lambda made: made.write_text("heard"))
    with pytest.raises(NotFoundError):
        cache.get(store.scoped("customer", "42"), call, "wav", lambda made: made.write_text("no"))
    assert path.exists()


def test_the_oldest_go_where_there_are_too_many(store: EventStore) -> None:
    cache = SoundCache(most=10)
    paths = [
        cache.get(store, put_sample(store), kind, lambda made: made.write_text("x" * 6))
        for kind in ("wav", "flac", "ogg")
    ]
    assert [path.exists() for path in paths] == [False, False, True]
    cache.close()
