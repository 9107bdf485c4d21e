"""Every verb of `EventStore` that reads, asked of every id that a store has, and of odd ones."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from fuzz.opened import Ids, Opened
from fuzz.pages import check_page
from fuzz.tally import Tally, is_json, strict_json

from eventstore import EventStore
from eventstore.exports.chat import chat
from eventstore.exports.html import write_html
from eventstore.exports.otel.otlp_json import otlp_lines
from eventstore.exports.otel.session_spans import read_spans
from eventstore.store.database.views.all_views import VIEWS

Asked = Callable[[], Any]
NO_IDS = ("nothing", "a\0b", "\ud83d", "x" * 300)
DIALECTS = ("wire", "beta", "ga")
GROUPS = ("session", "model", "day", "day,model", "metadata:customer", "metadata:é", "metadata:x\0")
FILTERS: tuple[dict[str, Any], ...] = (
    {"metadata": "customer"},
    {"metadata": {"k\u202e": "a"}},
    {"text": "Hello"},
    {"text": '"one two" pre*'},
    {"text": "\0"},
    {"model": "gpt-realtime"},
    {"since": "1970-01-01T00:00:00Z", "until": "9999-12-31"},
    {"since": "1e9999999"},
    {"until": 0.5},
    {"since": -62135596800},
    {"tool": "weather", "language": "en"},
    {"min_latency": 0.001, "min_duration": 1e-9},
    {"sort": "duration", "order": "asc"},
    {"sort": "latency"},
    {"score": "helpful<0.5", "label": "refund"},
    {"score": ["helpful", "topic=\0"]},
    {"score": "helpful", "sort": "score"},
    {"sort": "score", "order": "asc"},
    {"label": "\ud83d"},
)
#: Those of sessions alone.
OF_SESSIONS: tuple[dict[str, Any], ...] = (
    *({"sort": sort} for sort in ("cost", "turns", "interruptions")),
    {"min_cost": 0.001, "sort": "started", "text": "Hello"},
    *({"protocol": protocol} for protocol in ("live", "realtime")),
    {"reason": "server_error", "max_duration": 1e9, "sort": "cost", "order": "asc"},
)

#: Verbs that give events, lines or cues one by one.
STREAMED = frozenset({"events", "masked_events", "export", "replay"})
#: The verbs that write: the fuzzer of stores calls them (opened.py, writes.py), except `distribute`
#: and `rebalance`, which need a cluster, and backups, which commands.py makes.
WRITING = frozenset(
    {
        *("append", "append_together", "seal", "close", "copy", "erase", "import_file", "init"),
        *(
            "backup",
            "backup_keys",
            "distribute",
            "drop_projection",
            "drop_subscription",
            "subscribe",
            "webhooks",
            "traces",
            "offload",
            "price_sessions",
            "project",
            "rebalance",
            "rebuild",
            "repair",
            "score",
            "send_again",
            "set_metadata",
            "sum_days",
            "unseal",
            "vacuum",
        ),
    }
)


def _of_session(store: EventStore, id_: str) -> Iterator[tuple[str, Asked]]:
    yield "check_seen", lambda: store.check_seen(id_)
    yield "last_seq", lambda: store.last_seq(id_)
    yield "revision", lambda: store.revision(id_)
    yield "metadata", lambda: store.metadata(id_)
    yield "scores", lambda: store.scores(id_)
    yield "session", lambda: store.session(id_)
    yield "events", lambda: store.events(id_, 2, 5)
    yield "events", lambda: store.events(id_, type="response.*")
    yield "masked_events", lambda: store.masked_events(id_, 2)
    yield "replay", lambda: store.replay(id_)
    yield "follow", lambda: store.follow(id_, lambda: True)
    yield "transcript", lambda: store.transcript(id_)
    yield "waveform", lambda: store.waveform(id_)
    yield "export", lambda: store.export(id_)
    yield "verify", lambda: store.verify(id_)
    yield "iter_verify", lambda: store.iter_verify(id_)
    for dialect in DIALECTS:
        yield "state", lambda d=dialect: store.state(id_, dialect=d)
    for at in (0, 1, 3, "+0.02", "+1e400", "10" * 40, "x"):
        yield "state", lambda a=at: store.state(id_, a)
    for shape in ("beta", "ga"):
        yield "reseed", lambda d=shape: store.reseed(id_, dialect=d, audio=True)
    yield "reseed", lambda: store.reseed(id_, "+0.1", max_items=1, assistant_as="system")
    for protocol in ("realtime", "live"):
        yield "reseed", lambda p=protocol: store.reseed(id_, to=p, audio=True)
    yield "reseed", lambda: store.reseed(id_, 3, to="live", max_tokens=50, assistant_as="system")
    for format_ in ("wav", "flac", "ogg"):
        yield "audio", lambda f=format_: store.audio(id_, io.BytesIO(), f, end=5.0)
    for side in ("user", "assistant"):
        yield "audio", lambda s=side: store.audio(id_, io.BytesIO(), side=s, start=0.0, end=5.0)


def _of_others(store: EventStore, ids: Ids) -> Iterator[tuple[str, Asked]]:
    some = [*ids.sessions, *NO_IDS]
    for id_ in [*ids.responses[:4], *NO_IDS]:
        for dialect in DIALECTS:
            yield "response", lambda i=id_, d=dialect: store.response(i, dialect=d)
        for session in some[:2]:
            yield "response", lambda i=id_, s=session: store.response(i, s)
            yield (
                "audio",
                lambda i=id_, s=session: store.audio(s, io.BytesIO(), response=i, end=5.0),
            )
    for id_ in [*ids.items[:3], *NO_IDS[:3]]:
        yield "audio", lambda i=id_: store.audio(some[0], io.BytesIO(), item=i, end=5.0)
    for id_ in [*ids.conversations[:3], *NO_IDS]:
        yield "conversation", lambda i=id_: store.conversation(i)
        yield "conversation", lambda i=id_: store.conversation(i, some[0])
        yield "conversation_session", lambda i=id_: store.conversation_session(i)
        yield "conversation_items", lambda i=id_: store.conversation_items(i, limit=3)
        for item in (*ids.items[:2], *NO_IDS[:3]):
            yield (
                "conversation_items",
                lambda i=id_, j=item: store.conversation_items(i, some[0], after=j, order="asc"),
            )
            yield "conversation_item", lambda i=id_, j=item: store.conversation_item(i, j)


def _of_all(store: EventStore, ids: Ids) -> Iterator[tuple[str, Asked]]:
    some_id = next(iter(ids.sessions), None)
    yield "status", store.status
    yield "models", store.models
    yield "projections", store.projections
    yield "subscriptions", store.subscriptions
    yield "dead_letters", store.dead_letters
    yield "dead_letter_page", store.dead_letter_page
    for name in NO_IDS:
        yield "dead_letter", lambda n=name: store.dead_letter(n)
    for name in ("own_counts", *NO_IDS):
        yield "projected", lambda n=name: store.projected(n, some_id, n)
    for view in VIEWS:
        yield "sql", lambda v=view.name: store.sql(f"SELECT * FROM {v}").data
    yield "stream_ids", store.stream_ids
    yield "closed_sessions", lambda: store.closed_sessions("1s")
    yield "sessions", lambda: store.sessions(live=True)
    yield "sessions", lambda: store.sessions(summary=True, order="asc")
    yield "scoped", lambda: store.scoped("customer", "a").sessions(summary=True)
    yield "reader", lambda: store.reader.sessions(summary=True)
    for prefix in ("", "c", "\0", "\ud83d"):
        yield "metadata_keys", lambda p=prefix: store.metadata_keys(p)
        yield "metadata_values", lambda p=prefix: store.metadata_values("customer", p)
    for given in OF_SESSIONS:
        yield "sessions", lambda g=given: store.sessions(**g)
    for given in FILTERS:
        yield "sessions", lambda g=given: store.sessions(**g)
        yield "session_ids", lambda g=given: store.session_ids(**g)
        yield "responses", lambda g=given: store.responses(dialect="ga", **g)
        yield "usage", lambda g=given: store.usage("model", **g)
        yield "latency", lambda g=given: store.latency("day", **g)
        yield "context", lambda g=given: store.context(**g)
    for by in (None, *GROUPS):
        yield "usage", lambda b=by: store.usage(b)
        yield "latency", lambda b=by: store.latency(b)
    for by in (None, "name", "giver", *GROUPS):
        yield "score_sums", lambda b=by: store.score_sums(b, since="1970-01-01", name="helpful")
    for status in ("live", "ended", "interrupted", "errors"):
        yield "sessions", lambda s=status: store.sessions(status=s)
    for id_ in [*ids.sessions, *NO_IDS]:
        yield "sessions", lambda i=id_: store.sessions(after=i, limit=1)
        yield "responses", lambda i=id_: store.responses(session=i)
        yield "usage", lambda i=id_: store.usage(session=i)
    for id_ in [*ids.responses[:3], *NO_IDS]:
        yield "responses", lambda i=id_: store.responses(before=i, limit=1, order="asc")


def asked_of(store: EventStore, ids: Ids) -> Iterator[tuple[str, Asked]]:
    """Each verb by its name, with the arguments that it is called with."""
    for id_ in [*ids.sessions, *NO_IDS]:
        yield from _of_session(store, id_)
    yield from _of_others(store, ids)
    yield from _of_all(store, ids)


def ask_verbs(tally: Tally, opened: Opened, ids: Ids) -> None:
    """Ask every reading verb; what they answer is JSON."""
    for name, asked in asked_of(opened.store, ids):
        if not tally.takes(name):
            continue
        answer = tally.ask("verbs", name, asked)
        if isinstance(answer, dict | list | str | int) and name not in STREAMED:
            tally.ask("checks", f"{name} as JSON", lambda a=answer: is_json(_plain(a)))


def _plain(answer: Any) -> Any:
    rows = isinstance(answer, list) and any(isinstance(entry, tuple) for entry in answer)
    return [list(entry) for entry in answer] if rows else answer


def ask_exports(tally: Tally, opened: Opened, ids: Ids, elsewhere_url: str) -> None:
    """Make every export, read it again, and import what was exported into another store."""
    store = opened.store
    with EventStore(elsewhere_url, check_schema=False) as elsewhere:
        for id_ in ids.sessions:
            lines = tally.ask("exports", "jsonl", lambda i=id_: store.export(i)) or []
            content = b"".join(lines)
            for line in lines:
                tally.ask("checks", "an exported line", lambda t=line: strict_json(t.decode()))
            done = tally.ask(
                "exports", "import", lambda c=content: elsewhere.import_file(io.BytesIO(c))
            )
            made = b"".join(elsewhere.export(done[0].session_id)) if done else None
            # A session without an id of its own is named by its contents, the same everywhere.
            if (
                done is not None
                and len(done) == 1
                and made != content
                and done[0].session_id == id_
            ):
                tally.fail("import", "another export behind an import", f"{content!r}\n{made!r}")
            _ask_formats(tally, store, id_)


def _ask_formats(tally: Tally, store: EventStore, id_: str) -> None:
    page = io.BytesIO()
    tally.ask("exports", "html", lambda: write_html(store, id_, page))
    if page.getvalue():
        tally.ask("checks", "an exported page", lambda: check_page(page.getvalue().decode()))
    made = tally.ask("exports", "chat", lambda: chat(store.state(id_)))
    if made is not None:
        tally.ask("checks", "chat as JSON", lambda: is_json(made.conversations))
    for content in (False, True):
        spans = tally.ask("exports", "otel", lambda c=content: read_spans(store, id_, c))
        for line in tally.ask("checks", "otlp", lambda s=spans: otlp_lines(s or [])) or ():
            tally.ask("checks", "otlp as JSON", lambda t=line: strict_json(t))
