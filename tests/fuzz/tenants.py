"""Keys with a scope: what one tenant is answered tells nothing of what another tenant has.

Every route that reads is asked with one tenant's keys, for the ids of both. Then the other's
sessions are erased, and the same is asked again: each answer must be the same, byte for byte, since
for this tenant the others were never there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from fuzz.opened import Ids, Opened
from fuzz.routes import Route, call, client_of, requests_of, routes_of
from fuzz.streams import TENANT, TENANTS, Session
from fuzz.tally import Tally
from starlette.testclient import TestClient

from eventstore.web.server.access import parse_keys

_OWN, _OTHER = TENANTS
_KEYS = {"whole": "a-key-with-every-right", "reader": "a-key-that-reads-alone"}
_RIGHTS = {"whole": '"read", "raw", "append", "score", "erase"', "reader": '"read"'}
ACCESS = parse_keys(
    "".join(
        f'[[key]]\nname = "{name}"\nkey = "{key}"\nrights = [{_RIGHTS[name]}]\n'
        f'metadata = {{ {TENANT} = "{_OWN}" }}\n'
        for name, key in _KEYS.items()
    )
)
#: Those that ask for no key: they tell nothing of sessions.
_OF_ALL = ("/metrics", "/readyz", "/healthz", "/static", "/sign-in", "/v1/openapi.json")
_NONCE = re.compile(rb' data-nonce="[^"]*"')
_SCORE = b'{"name":"helpful","value":1}'
_BODY = b'{"events":[{"type":"response.create"}]}'


def check_tenants(tally: Tally, opened: Opened, ids: Ids, written: list[Session]) -> None:
    """Ask as one tenant, try to change what is the other's, erase that, and ask again."""
    others = [s.session_id for s in written if s.metadata[TENANT] == _OTHER]
    with client_of(opened.store, ACCESS) as client:
        asked = list(_taken(tally, client, ids))
        before = [_told(tally, client, *one) for one in asked]
        _change_what_is_anothers(tally, opened, client, others)
    opened.store.erase(others, vacuum=False)
    with client_of(opened.store, ACCESS) as client:
        for one, told in zip(asked, before, strict=True):
            again = _told(tally, client, *one)
            if again != told:
                what = f"{one[0].method} {one[0].path}"
                tally.fail(what, "it tells what is another's", f"{one}\n{told!r}\n{again!r}")


def _taken(tally: Tally, client: TestClient, ids: Ids) -> Iterator[tuple[Route, str, str]]:
    """Routes, addresses and the names of keys that are asked with."""
    for route in routes_of(client.app):  # type: ignore[arg-type]
        if route.method != "GET" or route.path.startswith(_OF_ALL):
            continue
        for address in requests_of(route, ids):
            if tally.takes(f"{route.method} {route.path}"):
                yield from ((route, address, name) for name in _KEYS)


def _told(
    tally: Tally, client: TestClient, route: Route, address: str, name: str
) -> tuple[int, str, object] | None:
    """What an answer says: its status, its kind and its content."""
    tally.counts["requests of tenants"] += 1
    answer = call(tally, client, route, address, headers=_header(name))
    if answer is None:
        return None
    kind = answer.headers.get("content-type", "")
    # Each OGG file has a number of its own, and each page.
    content = len(answer.content) if kind == "audio/ogg" else _NONCE.sub(b"", answer.content)
    return answer.status_code, kind, content


def _header(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_KEYS[name]}"}


def _change_what_is_anothers(
    tally: Tally, opened: Opened, client: TestClient, others: list[str]
) -> None:
    """Append to the other's sessions, score and erase them: nothing of it is done."""
    session = "/v1/realtime/sessions/{session_id}"
    appends, erases = Route("POST", f"{session}/events", ()), Route("DELETE", session, ())
    scores = Route("POST", f"{session}/scores", ())
    for id_ in others:
        head = opened.store.last_seq(id_)
        for route, body in ((appends, _BODY), (scores, _SCORE), (erases, None)):
            address = route.path.replace("{session_id}", quote(id_, safe=""))
            answer = call(tally, client, route, address, body, _header("whole"))
            if answer is not None and answer.status_code < 400:
                tally.fail(f"{route.method} {route.path}", "it changes another's", address)
        if tally.ask("verbs", "last_seq", lambda i=id_: opened.store.last_seq(i)) != head:
            tally.fail("POST", "another's session went on", id_)
