"""Integration: the cursor of a feed over HTTP is always one that the next request can send."""

from __future__ import annotations

import base64
import random
import string
import zlib

from support.api_keys import client
from support.api_serving import Serve
from support.feed_reader import Reader
from support.own_projections import NOTE

from eventstore import EventStore
from eventstore.feed.acknowledgement import read_cursor


def test_many_sessions_with_long_ids_are_acknowledged(store: EventStore, serve: Serve) -> None:
    chosen = random.Random(1)
    ids = {"".join(chosen.choices(string.ascii_letters, k=128)) for _ in range(250)}
    for id_ in ids:
        store.append(id_, [NOTE])
    found: list[str] = []
    with client(serve(), None) as asking:
        reader = Reader(asking, "mine", of="changes", **{"from": "start"})
        for _ in range(60):
            found += [id_ for id_, _ in reader.until_checkpoint(1)]
            assert len(reader.last_id) < 8_000
            if len(found) >= len(ids):
                break
    assert sorted(found) == sorted(ids)


def test_a_cursor_with_half_a_character_acknowledges_nothing() -> None:
    told = b'{"of":"mine","at":[["\\ud800",1,0],["a",2,0]]}'
    text = base64.urlsafe_b64encode(zlib.compress(told)).decode()
    assert read_cursor(text, "mine") == {"a": (2, False)}
