"""Every command and every route gives on a cluster what it gives on one PostgreSQL.

Acceptance: where TEST_CITUS names a cluster. The same sessions are in two databases, of which one
is spread over the nodes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from fuzz.commands import Line, reading
from fuzz.opened import Ids, Opened, ids_of
from fuzz.routes import Soon, client_of, requests_of, routes_of
from support.calls import SAMPLE_STREAMS, voice_call
from support.postgres import CitusCluster
from support.query_calls import recorded
from support.terminal import Terminal

from eventstore import EventStore

#: What tells the two apart, or differs from run to run.
OWN = re.compile(
    r"postgresql(\+psycopg)?://[^\s\"]*|node  .*\n|\"nodes\": ?\[.*?\]|in \d[\d.,]* m?s\b"
    r"|\"seconds\": ?[\d.]+|nonce=\"[^\"]*\""
)
#: A page says how long ago something was.
AGES = re.compile(r"\d+ (second|minute|hour|day)s? ago")


class Twins(NamedTuple):
    """The same store on one PostgreSQL and on a cluster."""

    plain: EventStore
    spread: EventStore
    ids: Ids


@pytest.fixture(scope="module")
def twins(postgres: CitusCluster) -> Iterator[Twins]:
    if not isinstance(postgres, CitusCluster):
        pytest.skip("TEST_CITUS names no cluster of Citus, which is in no package registry")
    name = postgres.create_database()
    with EventStore(postgres.url(name), check_schema=False) as made:
        made.init()
        recorded(made)
        for number, frames in enumerate(SAMPLE_STREAMS[:6]):
            made.append(f"sample_{number}", frames, close=number % 2 == 0)
        made.append("voice", voice_call().frames, close=True)
        made.set_metadata("voice", {"customer": "é", "topic": "x"})
        made.sum_days().raise_for_errors()
        made.price_sessions().raise_for_errors()
    copy = postgres.copy_database(name)
    postgres.spread(copy)
    with EventStore(postgres.url(name)) as plain, EventStore(postgres.url(copy)) as spread:
        ids = ids_of(Opened(plain, "", None, Path()))
        some = ids._replace(sessions=[*ids.sessions[:2], "sample_0", "voice"])
        yield Twins(plain, spread, some)
    postgres.drop_database(copy)
    postgres.drop_database(name)


def test_commands_print_the_same(twins: Twins, tmp_path: Path) -> None:
    for line in reading(twins.ids):
        plain, spread = (
            printed(store, line, tmp_path / name)
            for store, name in ((twins.plain, "plain"), (twins.spread, "spread"))
        )
        assert spread == plain, line


def printed(store: EventStore, line: Line, folder: Path) -> tuple[int, str, str]:
    """What a command prints of a store, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    (folder / "policy.json").write_text('{"rules": [{"erase": "audio", "after": "1s"}]}')
    known = {"EVENTSTORE_URL": store.engine.url.render_as_string(hide_password=False)}
    with mock.patch.dict(os.environ, known), chdir(folder):
        told = Terminal()(*line.arguments, stdin=line.stdin)
    return told.code, OWN.sub("", told.out), OWN.sub("", told.err)


def test_routes_answer_the_same(twins: Twins) -> None:
    asked = 0
    with client_of(twins.plain) as plain, client_of(twins.spread) as spread:
        for route in routes_of(plain.app):  # type: ignore[arg-type]
            if route.method != "GET" or route.path == "/metrics":
                continue
            for address in requests_of(route, twins.ids):
                for client in (plain, spread):  # Streams look a few times, and then end.
                    client.app.state.stopping = Soon()  # type: ignore[attr-defined]
                answers = [client.get(address) for client in (plain, spread)]
                bodies = [AGES.sub("", OWN.sub("", answer.text)) for answer in answers]
                codes = [answer.status_code for answer in answers]
                assert codes[0] == codes[1], (address, codes)
                if "format=ogg" not in address:  # Each stream of Ogg has a random number.
                    assert bodies[0] == bodies[1], address
                asked += 1
    assert asked > 500
