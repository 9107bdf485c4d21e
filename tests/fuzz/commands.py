"""Every command of the command line, run in this process on a store of any form.

Commands are those of the click group: one that is neither called nor left out with a reason here
fails `test_every_command_is_run`.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from fuzz.opened import Ids, Opened
from fuzz.pages import check_page
from fuzz.tally import Tally, place_of, strict_json
from support.terminal import Output, Terminal

#: Commands that run until they are stopped, or need a server elsewhere.
LEFT_OUT = {
    "record": "it relays calls until it is stopped; the relay has tests of its own",
    "serve": "it serves until it is stopped; its routes are called without it (routes.py)",
    "mcp": "it serves until it is stopped; tests/mcp/test_hostile.py calls its tools",
    "join": "it needs OpenAI's server",
    "calls": "it receives webhooks until it is stopped; tests/web/api/test_webhooks.py sends them",
    "distribute": "it needs a cluster; see tests/store/maintenance/test_distribute.py",
    "spool": "it reads a folder of a recorder's; tests/capture writes hostile ones",
}
#: Those that print a line of JSON for each event, not one document.
LINES = frozenset({"events"})
NO_ID = "nothing"


class Line(NamedTuple):
    """A command with its arguments.

    Attributes:
        stdin: what it is given to read.
        page: a file that it makes, which is a page.
    """

    arguments: tuple[str, ...]
    stdin: bytes = b""
    page: str | None = None


def _of_session(id_: str) -> Iterator[tuple[str, ...]]:
    name = ("--", id_)
    yield ("state", *name)
    for dialect in ("beta", "ga"):
        yield ("state", "--dialect", dialect, "--json", *name)
    for at in ("1", "+0.02", "+1e400", "x"):
        yield ("state", "--at", at, *name)
        yield ("state", "--at", at, "--json", *name)
    yield ("events", *name)
    yield ("events", "--json", "--type", "response.*", *name)
    yield ("events", "--json", "--from", "2", "--to", "4", *name)
    yield ("replay", "--instant", *name)
    yield ("replay", "--json", "--instant", *name)
    for dialect in ("beta", "ga"):
        yield ("reseed", "--dialect", dialect, *name)
    yield ("reseed", "--json", "--audio", "--max-items", "2", "--assistant-as", "system", *name)
    for protocol in ("realtime", "live"):
        yield ("reseed", "--to", protocol, "--max-tokens", "60", *name)
    for ending in ("wav", "flac", "ogg"):
        yield ("audio", "-o", f"call.{ending}", "--to", "5", "--json", *name)
    yield ("audio", "--plot", "call.svg", "--to", "5", *name)
    yield ("scores", *name)
    yield ("scores", "--json", *name)
    yield ("verify", *name)
    yield ("rebuild", *name)
    yield ("repair", "--dry-run", "--json", *name)
    yield ("repair", *name)
    yield ("rebuild", "--json", *name)
    yield ("export", *name)
    yield ("export", "--format", "chat", *name)
    yield ("export", "--format", "otel", "--content", *name)
    yield ("seal", "--dry-run", "--json", *name)
    yield ("erase", "--dry-run", "--json", *name)


def _of_ids(ids: Ids) -> Iterator[tuple[str, ...]]:
    for id_ in (*ids.responses[:3], NO_ID):
        yield ("response", "--", id_)
        for dialect in ("wire", "beta", "ga"):
            yield ("response", "--dialect", dialect, "--json", "--", id_)
        yield ("responses", f"--after={id_}", "--limit", "1", "--json")
    for id_ in (*ids.sessions[:2], NO_ID):
        yield ("sessions", f"--after={id_}", "--order", "asc", "--json")
        yield ("responses", f"--session={id_}")
        yield ("usage", f"--session={id_}")
    for id_ in (*ids.conversations[:2], NO_ID):
        yield ("responses", f"--conversation={id_}", "--json")


def _of_all() -> Iterator[tuple[str, ...]]:
    yield ("feed", "fuzzed", "--once", "--from", "start")
    yield ("webhooks", "--dead-letters", "--json")
    yield ("webhooks", "--send-again", "--json")
    yield ("webhooks", "--to", "https://a.example", "--on", "session.ended,x", "--once")
    yield ("traces", "--to", "ftp://a.example", "--once")
    lists = ("sessions", "responses", "usage", "latency", "context")
    for name in ("init", "status", "projections", *lists):
        yield (name,)
        yield (name, "--json")
    yield ("sessions", "--live", "--summary", "--sort", "cost", "--min-duration", "0.1")
    yield ("sessions", "--summary", "--json", "--status", "errors")
    for by in ("session", "model", "day", "day,model", "metadata:customer", "metadata:é", "x"):
        for name in ("usage", "latency"):
            yield (name, "--by", by)
            yield (name, "--by", by, "--json")
    for by in ("name", "day", "model", "giver", "metadata:customer", "x"):
        yield ("scores", "--by", by)
        yield ("scores", "--by", by, "--json", "--name", "helpful")
    scored = ("--score", "helpful<1", "--label", "refund")
    for name in ("sessions", "responses", "usage"):
        yield (name, *scored)
        yield (name, *scored, "--json")
    given = ("--metadata", "customer", "--text", '"one two" pre*', "--status", "completed")
    for times in (("--since", "1970-01-01", "--until", "9999-12-31"), ("--since", "1e9999999")):
        for name in ("responses", "usage", "latency", "context"):
            yield (name, *given, *times, "--json")
        yield ("sessions", *times, "--text", "Hello")
    yield ("sql", "--views")
    for view in ("v_sessions", "v_responses", "v_items", "v_usage", "v_events", "v_scores"):
        for form in ((), ("--json",), ("--csv",)):
            yield ("sql", f"SELECT * FROM {view} ORDER BY 1, 2, 3, 4, 5", *form)
    yield ("metadata", "--json")
    yield ("metadata", "customer", "--prefix", "é", "--json")
    yield ("project", "--json")
    yield ("backup", "backup.db", "--json")
    yield ("backup", "backup.dump", "--show-command")
    yield ("backup", "backup.db", "--keys-to", "keys.db")
    yield ("rebuild", "--all", "--json")
    yield ("verify", "--all", "--write", "digests.json", "--json")
    yield ("verify", "--all", "--against", "digests.json", "--json")
    yield ("export", "--all", "-o", "all.jsonl")
    yield ("export", "--all", "--format", "parquet", "-o", "parquet")
    yield ("export", "--format", "parquet", "--since-last", "--restart", "-o", "lake", "--json")
    yield ("export", "--all", "--format", "chat", "-o", "chat.jsonl")
    yield ("export", "--all", "--format", "otel", "-o", "spans.jsonl")
    yield ("retain", "--policy", "policy.json", "--dry-run", "--json")


def reading(ids: Ids) -> Iterator[Line]:
    """Commands that leave the sessions as they are."""
    for id_ in (*ids.sessions, NO_ID):
        yield from map(Line, _of_session(id_))
        yield Line(("export", "--format", "html", "-o", "page.html", "--", id_), page="page.html")
    yield from map(Line, _of_ids(ids))
    yield from map(Line, _of_all())


def changing(ids: Ids, content: bytes, elsewhere_url: str) -> Iterator[Line]:
    """Commands that import, move and erase; the sessions are gone behind the last.

    Args:
        content: what was exported.
        elsewhere_url: of another store.
    """
    yield Line(("import", "-", "--json"), content)
    yield Line(("import", "-", "--session-id", "imported", "--metadata", "customer=a"), content)
    yield Line(("import", "-", "--keep-going", "--json"), content.replace(b'"frame"', b'"event"'))
    yield Line(("import", "-", "--json"), b"[" + content.replace(b"}\n", b"},\n") + b"{}]")
    yield Line(("seal", "--all", "--json"))
    for id_ in (*ids.sessions, NO_ID):
        yield Line(("score", "--json", "--by", "fuzzer", "--", id_, "helpful", "0.5"))
        yield Line(("score", "--response", "resp_1", "--", id_, "topic", "refund"))
        yield Line(("score", "--remove", "--", id_, "topic"))
    yield Line(("offload", "--all", "--to", "segments", "--json"))
    yield Line(("verify", "--all", "--json"))
    yield Line(("offload", "--all", "--back", "--json"))
    for id_ in ids.sessions:
        yield Line(("unseal", "--json", "--", id_))
        yield Line(("seal", "--json", "--", id_))
    yield Line(("copy", "--all", "--to", elsewhere_url, "--json"))
    for id_ in ids.sessions:
        yield Line(("erase", "--audio-only", "--yes", "--no-vacuum", "--json", "--", id_))
        yield Line(("erase", "--yes", "--no-vacuum", "--json", "--reason", "asked", "--", id_))
        yield Line(("state", "--json", "--", id_))
        yield Line(("export", "--", id_))
    yield Line(("status", "--json"))


def run_commands(tally: Tally, opened: Opened, lines: Iterator[Line]) -> None:
    """Run commands in a folder of their own."""
    known = {"EVENTSTORE_URL": opened.url, "EVENTSTORE_KEYS": opened.keys_url or ""}
    folder = opened.folder / "commands"
    folder.mkdir(exist_ok=True)
    (folder / "policy.json").write_text('{"rules": [{"erase": "audio", "after": "1s"}]}')
    with mock.patch.dict(os.environ, known), chdir(folder):
        for line in lines:
            if tally.takes(f"eventstore {line.arguments[0]}"):
                _run(tally, line)


def _run(tally: Tally, line: Line) -> None:
    tally.counts["commands"] += 1
    what = f"eventstore {line.arguments[0]}"
    try:
        with tally.timed():
            told = Terminal()(*line.arguments, stdin=line.stdin)
    except Exception as error:
        tally.fail(what, place_of(error), f"{line}\n{traceback.format_exc()}")
        return
    wrong = _wrong(line, told)
    if wrong is not None:
        tally.fail(what, wrong, f"{line}\n{told}")


def _wrong(line: Line, told: Output) -> str | None:
    """What is wrong with what a command printed."""
    if told.code not in (0, 1, 2):
        return f"exit code {told.code}"
    if "Traceback" in told.err:
        return "a traceback"
    if "please report it" in told.out + told.err:
        return (told.out + told.err).partition("unforeseen ")[2][:100]
    if "the database failed" in told.err:
        return f"the database is blamed: {told.err[:100]}"
    if told.code and not told.out and not told.err.splitlines()[-1:]:
        return "it failed without a word"
    options = (
        line.arguments[: line.arguments.index("--")] if "--" in line.arguments else line.arguments
    )
    if "--json" in options and (told.code == 0 or told.out):
        lines = told.out.removesuffix("\n").split("\n") if told.out else []
        documents = lines if line.arguments[0] in LINES else [told.out]
        try:
            for document in documents:
                strict_json(document)
        except ValueError as error:
            return f"no JSON: {error}"[:120]
    if line.page is not None and told.code == 0:
        try:
            check_page(Path(line.page).read_text("utf-8"))
        except ValueError as error:
            return f"no page: {error}"[:120]
    return None
