"""Acceptance: the feed over HTTP, whose server is killed. `KILLS` is how many servers are."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
from collections.abc import Iterator
from threading import Timer
from typing import Any

import httpx
from support.api_keys import client
from support.feed_reader import Reader, Told
from support.scoped_calls import call
from support.terminal import service, told_by

from eventstore import EventStore

KILLS = int(os.environ.get("KILLS", "2"))
#: The writer waits so many seconds after each call: what it writes is read several times over.
PAUSE = 0.1


def test_nothing_is_missed_where_servers_are_killed(store: EventStore, database_url: str) -> None:
    found: dict[str, list[int]] = {}
    chance, last_id = random.Random(KILLS), ""
    serve = ("serve", "--listen", "0", "--db", database_url)
    with writing(store):
        for _ in range(KILLS):
            with service(*serve) as process, client(told_by(process).split()[2], None) as asking:
                reader = Reader(asking, "mine", **{"from": "start"})
                reader.last_id = last_id
                read_until_killed(reader, found, Timer(chance.uniform(0, 0.5), process.kill))
                last_id = reader.last_id
    wanted = {id_: store.last_seq(id_) for id_ in store.session_ids()}
    with service(*serve) as process, client(told_by(process).split()[2], None) as asking:
        reader = Reader(asking, "mine", **{"from": "start"})
        reader.last_id = last_id
        while any(found.get(id_, [0])[-1] < last for id_, last in wanted.items()):
            with reader.connected() as told:
                read_until_whole(told, found, wanted)
    assert last_id and sorted(found) == sorted(wanted)
    for id_, last in wanted.items():
        assert sorted(set(found[id_])) == list(range(1, last + 1))
        # What comes again comes from an acknowledged place on, in its order.
        assert all(after <= before + 1 for before, after in itertools.pairwise(found[id_]))


@contextlib.contextmanager
def writing(store: EventStore) -> Iterator[None]:
    """Append one call after another in the meantime."""
    frames = call("anna", 1).frames
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.wait(PAUSE):
                return
            for seq in range(len(frames)):
                store.append(f"a_{number}", frames[seq : seq + 1])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def read_until_killed(reader: Reader, found: dict[str, list[int]], killing: Timer) -> None:
    """Read while the timer runs. The first server lives until it has acknowledged, however slow."""
    if reader.last_id:
        killing.start()
    with contextlib.suppress(httpx.TransportError), reader.connected() as told:
        for name, data in told:
            note((name, data), found)
            if name == "checkpoint" and killing.ident is None:
                killing.start()


def read_until_whole(told: Told, found: dict[str, list[int]], wanted: dict[str, int]) -> None:
    """Read until all is there, or until the server ends the stream to have it acknowledged."""
    for name, data in told:
        note((name, data), found)
        if all(found.get(id_, [0])[-1] >= last for id_, last in wanted.items()):
            return


def note(told: tuple[str, Any], found: dict[str, list[int]]) -> None:
    name, data = told
    if name != "checkpoint":
        found.setdefault(data["session_id"], []).append(data["seq"])
