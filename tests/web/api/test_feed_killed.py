"""Acceptance: the feed over HTTP, whose server is killed. `KILLS` is how many servers are."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading

import httpx
from support.api_keys import client
from support.feed_reader import Reader
from support.scoped_calls import call
from support.terminal import service, told_by

from eventstore import EventStore

KILLS = int(os.environ.get("KILLS", "3"))


def test_nothing_is_missed_where_servers_are_killed(store: EventStore, database_url: str) -> None:
    frames = call("anna", 1).frames
    found: dict[str, list[int]] = {}
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            for seq in range(len(frames)):
                store.append(f"a_{number}", frames[seq : seq + 1])

    writer = threading.Thread(target=write)
    writer.start()
    chance, last_id = random.Random(KILLS), ""
    serve = ("serve", "--listen", "0", "--db", database_url)
    try:
        for _ in range(KILLS):
            with service(*serve) as process, client(told_by(process).split()[2], None) as asking:
                reader = Reader(asking, "mine", **{"from": "start"})
                reader.last_id = last_id
                killing = threading.Timer(chance.uniform(0, 0.5), process.kill)
                if last_id:
                    killing.start()
                with contextlib.suppress(httpx.TransportError), reader.connected() as told:
                    for name, data in told:
                        if name != "checkpoint":
                            found.setdefault(data["session_id"], []).append(data["seq"])
                        elif killing.ident is None:
                            # The first server is killed after an acknowledgement, however slow.
                            killing.start()
                last_id = reader.last_id
    finally:
        stop.set()
        writer.join()
    wanted = {id_: store.last_seq(id_) for id_ in store.session_ids()}
    with service(*serve) as process, client(told_by(process).split()[2], None) as asking:
        reader = Reader(asking, "mine", **{"from": "start"})
        reader.last_id = last_id
        with reader.connected() as told:
            while any(found.get(id_, [0])[-1] < last for id_, last in wanted.items()):
                name, data = next(told)
                if name != "checkpoint":
                    found.setdefault(data["session_id"], []).append(data["seq"])
    assert last_id and sorted(found) == sorted(wanted)
    for id_, last in wanted.items():
        assert sorted(set(found[id_])) == list(range(1, last + 1))
        # What comes again comes from an acknowledged place on, in its order.
        assert all(after <= before + 1 for before, after in itertools.pairwise(found[id_]))
