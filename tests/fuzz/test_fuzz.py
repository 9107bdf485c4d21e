"""Whole: hostile streams against every route, page, export, verb and command, on both databases.

These are the fuzzer's quick examples, the same each time in CI. `make endurance` runs it for hours
with other streams each time: see fuzz/long_run.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fuzz.commands import LEFT_OUT, changing, reading
from fuzz.opened import Ids, Places
from fuzz.routes import Route, client_of, requests_of, routes_of
from fuzz.streams import SHORT_CALLS, Form, Session, shared, stores
from fuzz.tally import Failure, Tally
from fuzz.verbs import WRITING, asked_of
from fuzz.whole import check_store
from hypothesis import given, settings
from hypothesis import strategies as st
from support.databases import shared_postgres_url
from support.examples import examples

from eventstore import EventStore
from eventstore.cli.main import cli
from eventstore.web.app import make_app
from eventstore.web.server import requests
from eventstore.web.server.requests import Stores

__all__ = ["shared_postgres_url"]

#: One in so many questions is asked of each store, others of the next; and how many stores.
ONE_IN, STORES = 8, {"sqlite": 20, "postgresql": 12}
#: For an answer that never comes; no measure of how fast it is to be.
SECONDS = 300.0
IDS = Ids(["sess_1"], ["resp_1"], ["item_1"], ["conv_1"])


@pytest.fixture(params=list(STORES))
def places(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> Places:
    is_postgres = request.param == "postgresql"
    url = request.getfixturevalue("shared_postgres_url") if is_postgres else None
    return Places(tmp_path / "fuzz", sqlite_template, url)


def told(failures: list[Failure]) -> str:
    """What failed, each once."""
    first = {(failure.what, failure.place): failure for failure in reversed(failures)}
    return "\n\n".join(f"{f.what}: {f.place}\n{f.told[-3000:]}" for f in first.values())


def test_nothing_fails_whatever_a_store_holds(
    places: Places, request: pytest.FixtureRequest
) -> None:
    counts = Counter[str]()
    database = request.node.callspec.params["places"]

    @settings(examples(STORES[database]), print_blob=True)
    @given(stores(), st.integers(0, ONE_IN - 1))
    def holds(made: tuple[Form, list[Session]], turn: int) -> None:
        tally = Tally(ONE_IN, turn, SECONDS)
        check_store(tally, places, *made)
        counts.update(tally.counts)
        assert not tally.failures, told(tally.failures)

    holds()
    print(f"\nfuzzed on {database}: {dict(counts)}")
    assert counts["requests"] > 0 < counts["commands"]


@pytest.mark.parametrize("leak", [None, "scoped"])
def test_what_tells_of_another_tenant_is_found(
    places: Places, leak: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key with a scope is asked of a shared store; without its scope, the fuzzer says so."""
    if leak is not None:
        monkeypatch.setattr(requests, leak, lambda store, access: store)
    tally = Tally(one_in=16)
    made = [Session(id_, [SHORT_CALLS[0]], True, {}) for id_ in ("sess_1", "a/b")]
    check_store(tally, places, *shared(Form(False, False, False), made))
    assert tally.counts["requests of tenants"] > 60
    if leak is None:
        assert not tally.failures, told(tally.failures)
    else:
        assert any("another's" in failure.place for failure in tally.failures)


def test_every_route_can_be_called(sqlite_template: Path) -> None:
    with EventStore(f"sqlite:///{sqlite_template}") as store:
        app = make_app(Stores(store, store, None))
        routes = routes_of(app)
        app.state.sounds.close()
    addresses = {route: list(requests_of(route, IDS)) for route in routes}
    assert len(routes) > 30 and all(addresses.values())
    known = {"GET", "POST", "DELETE"}
    assert {route.method for route in routes} <= known
    #: What changes a store is called by `ask_routes`, and those that append, score, send and erase.
    assert {(route.method, route.path) for route in routes if route.method != "GET"} == {
        ("POST", "/v1/realtime/sessions/{session_id}/events"),
        ("POST", "/v1/realtime/webhooks/dead_letters/send_again"),
        ("POST", "/v1/realtime/webhooks/dead_letters/{dead_letter_id}/send_again"),
        ("POST", "/webhooks"),
        ("POST", "/v1/realtime/sessions/{session_id}/scores"),
        ("DELETE", "/v1/realtime/sessions/{session_id}"),
        ("DELETE", "/v1/realtime/feed/{name}"),
        ("POST", "/sessions/{session_id}/scores"),
        ("POST", "/sign-in"),
        ("POST", "/sign-out"),
    }


def test_a_route_with_an_unknown_parameter_is_not_left_out() -> None:
    for route in (Route("GET", "/x/{unheard_of}", ()), Route("GET", "/x", ("unheard_of",))):
        with pytest.raises(KeyError):
            list(requests_of(route, IDS))


def test_every_verb_is_asked(sqlite_template: Path) -> None:
    with EventStore(f"sqlite:///{sqlite_template}") as store:
        asked = {name for name, _ in asked_of(store, IDS)}
    verbs = {name for name in dir(EventStore) if not name.startswith("_")}
    verbs = {name for name in verbs if not hasattr(getattr(EventStore, name), "__deprecated__")}
    verbs = {name for name in verbs if name.removeprefix("iter_") not in WRITING}
    assert verbs - asked - {"plot"} == set()  # `audio --plot` draws


def test_every_command_is_run() -> None:
    lines = [*reading(IDS), *changing(IDS, b"", "sqlite:///copy.db")]
    run = {line.arguments[0] for line in lines}
    assert set(cli.commands) == run | set(LEFT_OUT)
    assert not run & set(LEFT_OUT)
    formats = {
        line.arguments[line.arguments.index("--format") + 1]
        for line in lines
        if "--format" in line.arguments
    }
    (option,) = (p for p in cli.commands["export"].params if p.name == "format_")
    assert formats | {"jsonl"} == set(option.type.choices)  # type: ignore[attr-defined]


def test_pages_are_checked(sqlite_template: Path) -> None:
    from fuzz.pages import check_page

    page = "<html><head><title>x</title></head><body>{}</body></html>"
    check_page(page.format("<p>x</p><br>"))
    for wrong in ("<p>", "</p>", "<p><b></p></b>", "<p a=1 a=2></p>", "<title></title>", "\0"):
        with pytest.raises(ValueError, match=r"."):
            check_page(page.format(wrong))
    assert client_of is not None
