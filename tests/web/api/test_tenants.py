"""Two tenants of one store, and a fuzzed client of each: for one, the other does not exist.

Each request is made twice: to the store that both share, and to one that holds the asker's own
sessions alone. The answers must be the same, and nothing that is marked as another's be in them.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path
from queue import Queue
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send
from support.examples import examples
from support.postgres import PostgresServer
from support.tenants import MARKS, TENANTS, seeds
from web.api.tenant_requests import Request, requests

from eventstore import EventStore
from eventstore.store.database.tables.declared import metadata
from eventstore.store.database.transaction import write
from eventstore.web.app import make_app, openapi
from eventstore.web.running import Server, configuration
from eventstore.web.server.access import parse_keys
from eventstore.web.server.requests import Stores

KEYS = {tenant: f"{tenant}-has-a-long-key" for tenant in TENANTS}
RIGHTS = '["read", "append", "score", "erase"]'
ACCESS = parse_keys(
    "\n".join(
        f'[[key]]\nname = "{tenant}"\nkey = "{key}"\nrights = {RIGHTS}\n'
        f'metadata = {{ tenant = "{tenant}" }}'
        for tenant, key in KEYS.items()
    )
)
#: What two requests of the same tell otherwise: times of the clock, and what follows from them.
_VARIES = re.compile(
    r"20(2[4-9]|[3-9]\d)-\d\d-\d\dT[\d:.]+Z|(?<=_ms\":)-?[\d.]+|(?<=\"created_at\":)1[7-9][1-9]\d+"
    r"|(?<=\"sha256\":\")\w+"
)
_HEADERS = {"content-length", "etag", "last-modified", "date"}


class Switch:
    """A server's application, which is another one for each example."""

    def __init__(self) -> None:
        self.app: FastAPI | None = None
        self.state = State()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


class Side:
    """A store of some owners' sessions, its API, and a client for each tenant."""

    def __init__(self, fresh_url: Callable[[], str], *owners: str) -> None:
        self._fresh_url, self._owners = fresh_url, owners
        self.switch = Switch()
        self.clients: dict[str, httpx.Client] = {}
        self.store: EventStore

    @contextmanager
    def running(self) -> Iterator[None]:
        """Its server."""
        ports: Queue[int] = Queue()
        server = Server(configuration(self.switch, "127.0.0.1", 0), ports.put)  # type: ignore[arg-type]
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{ports.get(timeout=20)}"
        with ExitStack() as stack:
            for tenant, key in KEYS.items():
                headers = {"Authorization": f"Bearer {key}"}
                # The server must not close a connection that is about to be used.
                limits = httpx.Limits(keepalive_expiry=1)
                asking = httpx.Client(base_url=url, headers=headers, timeout=30, limits=limits)
                self.clients[tenant] = stack.enter_context(asking)
            yield
        server.should_exit = True
        thread.join(20)

    @contextmanager
    def begun(self) -> Iterator[None]:
        """Its store, as each example begins with."""
        with EventStore(self._fresh_url()) as self.store:
            for seed in seeds():
                if seed.owner in self._owners:
                    self.store.append(seed.session_id, seed.frames, close=seed.closed)
            app = self.switch.app = make_app(Stores(self.store, self.store, ACCESS))
            yield
            app.state.sounds.close()

    def ask(self, tenant: str, request: Request) -> httpx.Response:
        query, body = httpx.QueryParams(request.query), request.body
        return self.clients[tenant].request(
            request.method, request.path, params=query, json=body if body is not None else None
        )


FreshUrls = Callable[[], Callable[[], str]]


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FreshUrls]:
    """Makes databases, each of which is empty whenever its URL is asked for."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        count = iter(range(10**6))

        def copied() -> str:
            path = tmp_path / f"{next(count)}.db"
            shutil.copyfile(template, path)
            return f"sqlite:///{path}"

        yield lambda: copied
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    template = request.getfixturevalue("postgres_template")
    names: list[str] = []

    def made() -> Callable[[], str]:
        names.append(server.create_database(template))
        url = server.url(names[-1])
        return lambda: _emptied(url)

    yield made
    for name in names:
        server.drop_database(name)


def _emptied(url: str) -> str:
    with EventStore(url) as store, write(store.engine) as tx:
        for table in metadata.tables:
            tx.run(f"DELETE FROM {table}")
    return url


class Tenants:
    """The shared store, each tenant's own, and whose session each id is."""

    def __init__(self, fresh_urls: FreshUrls) -> None:
        self.shared = Side(fresh_urls(), *MARKS)
        self.alone = {tenant: Side(fresh_urls(), tenant) for tenant in TENANTS}
        self.owners: dict[str, str] = {}
        self.written = dict.fromkeys(TENANTS, "")

    @property
    def sides(self) -> list[Side]:
        return [self.shared, *self.alone.values()]

    def begin(self) -> None:
        self.owners = {seed.session_id: seed.owner for seed in seeds()}
        self.written = dict.fromkeys(TENANTS, "")

    def ask(self, tenant: str, request: Request) -> httpx.Response:
        """Ask both stores, and see that the answers are the same and tell nothing."""
        found = self.shared.ask(tenant, request)
        assert found.status_code < 500, found.text
        name = request.session_id
        if request.body is not None:
            self.written[tenant] += request.written
        self.see_no_marks(tenant, request, found)
        if request.method == "POST" and self.owners.get(name or "", tenant) != tenant:
            # Ids of sessions are one space: what another has cannot be begun, and no more is told.
            if found.status_code == 404:
                message = f"no session {name}; list them with: eventstore sessions"
                assert found.json()["error"]["message"] == message
                return found
            assert found.status_code in (400, 403), found.text
        own = self.alone[tenant].ask(tenant, request)
        assert difference(told(found), told(own)) is None, request
        if request.method == "POST" and found.status_code == 200:
            self.owners.setdefault(str(name), tenant)
        return found

    def see_no_marks(self, tenant: str, request: Request, answer: httpx.Response) -> None:
        shown = f"{answer.reason_phrase} {answer.headers} {answer.content.decode('latin-1')}"
        for text in request.said:
            shown = shown.replace(text, "")
        for owner, mark in MARKS.items():
            if owner != tenant and mark not in self.written[tenant]:
                assert mark not in shown


def told(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    """What an answer says, save for what no two answers have the same."""
    headers = {name: value for name, value in answer.headers.items() if name not in _HEADERS}
    if headers["content-type"] == "audio/ogg":  # each file of which has a number of its own
        return answer.status_code, headers, str(len(answer.content))
    return answer.status_code, headers, _VARIES.sub("…", answer.content.decode("latin-1"))


def difference(one: object, other: object) -> tuple[str, str] | None:
    """Where two answers part; None where they do not."""
    if one == other:
        return None
    texts = str(one), str(other)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*texts, strict=False))))
    return texts[0][max(0, same - 200) : same + 200], texts[1][max(0, same - 20) : same + 200]


def walked(tenants: Tenants, tenant: str, path: str) -> list[Any]:
    """A list to its end, in pages of two."""
    entries: list[Any] = []
    query = [("limit", "2")]
    while True:
        page = tenants.ask(tenant, Request("GET", path, query, None, None)).json()
        entries += page["data"]
        if not page["has_more"]:
            return entries
        query = [("limit", "2"), ("after", page["last_id"])]


def see_counts(tenants: Tenants, tenant: str) -> None:
    """Lists and sums are those of the tenant's own sessions."""
    own = tenants.alone[tenant].store
    sessions = walked(tenants, tenant, "/v1/realtime/sessions")
    assert [one["id"] for one in sessions] == list(own.session_ids())[::-1]
    responses = walked(tenants, tenant, "/v1/realtime/responses")
    found = tenants.ask(tenant, Request("GET", "/v1/realtime/usage", [], None, None)).json()
    assert found["total"] == own.usage()["total"]
    assert len(responses) == len({(r["eventstore"]["session_id"], r["id"]) for r in responses})
    owners = {tenants.owners[one["id"]] for one in sessions}
    assert owners <= {tenant}


def test_for_a_tenant_the_other_does_not_exist(fresh_urls: FreshUrls) -> None:
    tenants = Tenants(fresh_urls)
    with ExitStack() as servers:
        for side in tenants.sides:
            servers.enter_context(side.running())
            with side.begun():
                assert side.switch.app is not None
                document = openapi(side.switch.app, with_keys=True)
        drawn = st.tuples(st.sampled_from(TENANTS), requests(document))

        @settings(examples(15), phases=(Phase.explicit, Phase.generate))
        @given(st.lists(drawn, min_size=10, max_size=40))
        def play(sequence: list[tuple[str, Request]]) -> None:
            tenants.begin()
            with ExitStack() as stores:
                for side in tenants.sides:
                    stores.enter_context(side.begun())
                for tenant, request in sequence:
                    tenants.ask(tenant, request)
                for tenant in TENANTS:
                    see_counts(tenants, tenant)

        play()
