"""Writes the Python API's docstrings as a page: `python -m tools.python_reference docs/python.md`.

Called by `make docs`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

import eventstore
from eventstore import AsyncEventStore, EventStore

HEADER = """# Python

After this page you know every name that `eventstore` has for Python, and what each does. `make
docs` makes the page from the docstrings; a test compares the two. Every name is imported from
`eventstore` itself:

```python
from eventstore import EventStore

with EventStore("sqlite:///calls.db") as store:
    store.import_file("call.jsonl")
    for session in store.sessions(limit=5).iter_all():
        print(session["id"], session["eventstore"]["events"])
    store.append("sess_Demo0wh8M7iLQ5xcsWTic", [], close=True)
    store.seal(store.closed_sessions()).raise_for_errors()
```

Arguments are typed: `mypy --strict` refuses a misspelt filter, a status that does not exist, or
something that is no time. A time is a `datetime`, a `date`, ISO 8601 text, or seconds since 1970;
what names no time zone is in UTC.

A verb that works on several sessions takes one id or many, does its work when it is called, and
returns [`Results`](#results). Its twin, whose name begins with `iter_`, yields the same one after
the other, for progress.

In asyncio programs, [`AsyncEventStore`](#asyncio) has the same verbs ([how](asyncio.md)).
"""

#: The verbs of `EventStore`, grouped by task. A test fails if a verb is in no group.
GROUPS = {
    "Open a store": ("EventStore", "close", "init", "scoped"),
    "Write": ("append", "append_together", "set_metadata", "score", "import_file"),
    "Lists": ("sessions", "session_ids", "closed_sessions", "responses", "response", "stream_ids"),
    "One session": (
        *("session", "state", "transcript", "metadata", "scores", "last_seq", "revision", "events"),
        *("masked_events", "export", "replay", "follow", "reseed", "audio", "plot", "waveform"),
    ),
    "Conversations": (
        *("conversation", "conversation_items", "conversation_item", "conversation_session"),
    ),
    "Sums": (
        *("usage", "latency", "context", "score_sums"),
        *("metadata_keys", "metadata_values", "models"),
    ),
    "Keep a store in order": (
        *("project", "rebuild", "seal", "unseal", "verify", "repair", "copy", "offload", "erase"),
        *("backup", "backup_keys"),
        *("sum_days", "price_sessions", "vacuum", "status", "distribute", "rebalance"),
    ),
    "Follow all sessions": (
        *("subscribe", "subscriptions", "drop_subscription", "webhooks", "dead_letters"),
        "traces",
        *("dead_letter_page", "dead_letter", "send_again"),
    ),
    "SQL": ("sql",),
    "Projections of your own": ("projections", "projected", "drop_projection"),
}
#: All other public names, grouped by kind.
KINDS = {
    "What verbs return": (
        *(
            "Results",
            "Failure",
            "Page",
            "Appended",
            "StoredEvent",
            "Imported",
            "Sealed",
            "Unsealed",
        ),
        *("BackedUp", "BackedUpKeys"),
        *("Copied", "Moved", "Erased", "Projected", "Repaired", "Fault", "Verified", "Problem"),
        *(
            "Webhooks",
            "Traces",
            "DeadLetter",
            "Feed",
            "Delivery",
            "Protection",
            "SegmentDigest",
            "TableStep",
            "StatementRows",
            "Cue",
            "Turn",
            "Reseed",
            "AudioWritten",
        ),
    ),
    "What verbs take": (
        *("Frame", "Append", "Condition", "Moment", "microseconds", "MetadataConditions"),
        *("LogFilterParams", "SessionFilterParams", "ResponseFilterParams", "ScoreFilterParams"),
        *("Queries", "Projection"),
    ),
    "Resources": (
        *("SessionResource", "SessionNotes", "SessionSummary", "LastWords", "WholeSession"),
        *("ConversationResource", "ItemResource", "ItemNotes", "ResponseResource"),
        *("ResponseNotes", "UsageReport", "UsageEntry", "LatencyReport", "LatencyEntry"),
        *("ContextReport", "ContextEntry", "ScoreResource", "ScoreReport", "ScoreEntry"),
        *("StoreStatus", "ProjectionStatus", "SubscriptionStatus"),
    ),
    "asyncio": (
        "AsyncEventStore",
        "AsyncItems",
        "AsyncPage",
        "AsyncQueries",
        "AsyncFeed",
        "AsyncWebhooks",
        "AsyncTraces",
    ),
    "Record calls": ("Recorder", "SessionRecorder", "tap", "recorded_model", "record_call"),
    "Replay calls": ("cassette", "Cassette", "replay_server", "recordings_of", "Manner"),
    "Hand sessions on": (
        *("chat", "Chat", "write_html", "write_parquet", "Written", "update_parquet", "Updated"),
        "read_spans",
    ),
    "Errors": tuple(
        name
        for name in eventstore.__all__
        if isinstance(found := getattr(eventstore, name), type) and issubclass(found, Exception)
    ),
}
#: Type aliases, which have no docstring of their own.
ALIASES = {
    "Moment": "`datetime | date | str | float`. A moment: a `datetime`, a `date` (its first"
    " moment), ISO 8601 text, or seconds since 1970. What names no time zone is in UTC.",
    "MetadataConditions": "`Mapping[str, str] | str | Sequence[str | Condition]`. Conditions on"
    " metadata: a mapping of keys to values that must be equal, or one or several texts `K=V`, `K`"
    " (the key is there), `K^=PREFIX` or `K!=V`.",
}
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):$")
_ENTRY = re.compile(r"^(\*{0,2}\w+(?:, \w+)*): (.*)$")


def reference() -> str:
    """Return the page's text in Markdown."""
    sections = [HEADER]
    for title, verbs in GROUPS.items():
        sections.append(f"## {title}\n")
        for name in verbs:
            if name == "EventStore":
                sections.append(_described("EventStore", EventStore, EventStore))
                continue
            sections.append(_described(f"store.{name}", getattr(EventStore, name)))
            twin = getattr(EventStore, f"iter_{name}", None)
            if twin is not None:
                sections.append(_described(f"store.iter_{name}", twin))
    for title, names in KINDS.items():
        sections.append(f"## {title}\n")
        sections.extend(_of_name(name) for name in names)
        if title == "asyncio":
            sections.append(_async_verbs())
    sections.append(
        "## Old names\n\nThey go with the next release, and say so by a `DeprecationWarning`.\n"
    )
    for name in sorted(dir(EventStore)):
        told = getattr(getattr(EventStore, name), "__deprecated__", None)
        if told is not None:
            sections.append(f"- `store.{name}()`: {told}\n")
    return "\n".join(sections)


def _async_verbs() -> str:
    """Return the verbs of `AsyncEventStore` as a table, by how they are called."""
    called: dict[str, list[str]] = {
        "await store.VERB(…)": [],
        "await store.VERB(…), which returns an AsyncPage": [],
        "async for … in store.VERB(…)": [],
        "store.VERB(…), which returns AsyncQueries": [],
        "store.VERB, which is AsyncQueries": ["reader"],
        "store.VERB(…), which returns an AsyncFeed": [],
        "store.VERB(…), which returns AsyncWebhooks": [],
        "store.VERB(…), which returns AsyncTraces": [],
    }
    for name in dir(EventStore):
        twin = getattr(AsyncEventStore, name, None)
        if name.startswith("_") or name == "check_seen" or not inspect.isfunction(twin):
            continue
        returned = str(inspect.signature(twin).return_annotation)
        kind = 1 if returned.startswith("AsyncPage") else 2 if "AsyncItems" in returned else 0
        twins = {"AsyncQueries": 3, "AsyncFeed": 5, "AsyncWebhooks": 6, "AsyncTraces": 7}
        kind = twins.get(returned, kind)
        list(called.values())[kind].append(name)
    rows = [
        f"| `{how}` | {', '.join(f'`{one}`' for one in sorted(verbs))} |"
        for how, verbs in called.items()
    ]
    told = "Each verb has the arguments, the result and the errors of the verb of `EventStore`."
    return "\n".join([f"{told}\n", "| called | verbs |", "|---|---|", *rows, ""])


def _of_name(name: str) -> str:
    if name in ALIASES:
        return f"### {name}\n\n{ALIASES[name]}\n"
    found = getattr(eventstore, name)
    lines = [_described(name, found, found)]
    if isinstance(found, type) and not issubclass(found, Exception) and "Queries" not in name:
        lines += [_described(f"{name}.{own}", method) for own, method in _methods(found)]
    return "\n".join(lines)


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the name and object of a class's own public properties and documented methods."""
    for name, found in vars(kind).items():
        if (isinstance(found, property) and not name.startswith("_")) or (
            inspect.isfunction(found) and not name.startswith("_") and inspect.getdoc(found)
        ):
            yield name, found


def _described(title: str, found: Any, called: Callable[..., Any] | None = None) -> str:
    """Return the section of a verb, a function or a class.

    Args:
        title: the section's title.
        found: the object, whose docstring is the section's text.
        called: the object whose signature is shown; None for `found` itself.
    """
    lines = [f"### {title}\n"]
    signature = _signature(title, called or found)
    if signature:
        lines.append(f"```text\n{signature}\n```\n")
    lines.append(_prose(inspect.getdoc(found) or ""))
    return "\n".join(lines)


def _signature(title: str, found: Any) -> str:
    """Return how an object is called; empty for a property, an exception or a result class."""
    if isinstance(found, property):
        return ""
    if isinstance(found, type) and (issubclass(found, Exception) or _is_data(found)):
        return ""
    try:
        signature = inspect.signature(found)
    except ValueError:
        return ""
    parameters = list(_parameters(signature))
    told = ", ".join(parameters)
    result = signature.return_annotation
    is_told = not isinstance(found, type) and result is not signature.empty
    answer = f" -> {_plain(str(result))}" if is_told else ""
    title = f"await {title}" if inspect.iscoroutinefunction(found) else title
    line = f"{title}({told}){answer}"
    if len(line) <= 100:
        return line
    each = "".join(f"    {one},\n" for one in parameters)
    return f"{title}(\n{each}){answer}"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    """Yield the parameters as a definition writes them, without `self`."""
    kinds = [one.kind for one in signature.parameters.values()]
    for place, one in enumerate(signature.parameters.values()):
        if one.name == "self":
            continue
        if one.kind == one.KEYWORD_ONLY and one.KEYWORD_ONLY not in kinds[:place]:
            yield "*"
        stars = "**" if one.kind == one.VAR_KEYWORD else ""
        annotation = "" if one.annotation is one.empty else f": {_plain(str(one.annotation))}"
        default = "" if one.default is one.empty else f" = {_default(one.default)}"
        yield f"{stars}{one.name}{annotation}{default}"


def _default(value: object) -> str:
    return "…" if callable(value) else repr(value)


def _is_data(kind: type) -> bool:
    """Return True if only the store makes objects of a class: its signature is not shown."""
    made = {"EventStore", "AsyncEventStore", "Recorder", "Frame", "Append", "Condition", "Manner"}
    return kind.__name__ not in made


def _plain(text: str) -> str:
    """Return an annotation without quotes, and with aliases written out."""
    text = re.sub(r"ForwardRef\('(.*?)'\)", r"\1", text)
    return text.replace("'", "").replace("Ids", "str | Iterable[str]").replace("NoneType", "None")


def _prose(doc: str) -> str:
    """Return a docstring as Markdown."""
    out: list[str] = []
    section = ""
    for line in doc.split("\n"):
        if _SECTION.match(line):
            section = line.rstrip(":")
            out.append(f"\n{section}:\n" if out and out[-1] else f"{section}:\n")
        elif section in ("Example", "Examples") and line.strip():
            out.append(line)
        elif section and line.startswith("    "):
            _add_entry(out, section, line.removeprefix("    "))
        else:
            if line.strip():
                section = ""
            out.append(line)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip() + "\n"


def _add_entry(out: list[str], section: str, line: str) -> None:
    """Append a line of a docstring's section to the page.

    Args:
        out: the page's lines, which are changed here.
        section: the section's name, such as `Args`.
        line: begins a list's entry, or continues one, or is prose.
    """
    entry = _ENTRY.match(line)
    if entry and section in ("Args", "Attributes", "Raises"):
        out.append(f"- `{entry[1]}`: {entry[2]}")
    else:
        out.append(f"  {line.strip()}" if section in ("Args", "Attributes", "Raises") else line)


@click.command()
@click.argument("page", type=click.Path(path_type=Path, dir_okay=False))
def main(page: Path) -> None:
    """Write the Python API's docstrings as a page."""
    page.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
