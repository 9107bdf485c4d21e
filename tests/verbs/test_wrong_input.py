"""Wrong input raises the documented error, in each argument of each verb, and nothing else."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.calls import voice_call

from eventstore import (
    Append,
    EventStore,
    EventStoreError,
    Failure,
    Frame,
    InvalidInputError,
    Results,
)

SESSION = "sess_1"
FRAME = Frame("server", '{"type": "session.created"}')

#: What no argument can be: but some take texts, numbers and so on, and do something with them.
WRONG: list[Any] = [
    object(), 5, -1, 2**70, 1.5, float("nan"), True, b"bytes", "", "x", "\0", "\ud83d",
    [], [object()], [5], [None], [{"type": "x"}], ["x"], {}, {"a": object()}, {5: 6}, (1, 2, 3),
    object,
]  # fmt: skip

#: Arguments with which each verb works; those that are not named are called without any.
CALLS: dict[str, dict[str, Any]] = {
    "append": {"session_id": "new", "frames": [FRAME]},
    "append_together": {"appends": [Append("new", [FRAME])]},
    "audio": {"session_id": SESSION, "target": io.BytesIO()},
    "backup": {"path": "backup.db"},
    "backup_keys": {"path": "keys.db"},
    "conversation": {"conversation_id": "conv_1"},
    "conversation_item": {"conversation_id": "conv_1", "item_id": "item_1"},
    "conversation_items": {"conversation_id": "conv_1"},
    "conversation_session": {"conversation_id": "conv_1"},
    "copy": {"session_ids": SESSION, "to": EventStore("sqlite://")},
    "export": {"session_ids": SESSION},
    "erase": {"session_ids": "gone", "vacuum": False},
    "import_file": {"path": io.BytesIO(b"")},
    "metadata_values": {"key": "customer"},
    "offload": {"session_ids": SESSION, "to": None},
    "plot": {"session_id": SESSION, "target": io.BytesIO()},
    "projected": {"projection": "words"},
    "drop_projection": {"projection": "words"},
    "drop_subscription": {"name": "a"},
    "subscribe": {"name": "a", "once": True},
    "webhooks": {"to": "https://example.com", "secret": "whsec_" + "c2VjcmV0" * 4},
    "traces": {"to": "http://localhost:9"},
    "rebuild": {"session_ids": SESSION},
    "repair": {"session_ids": SESSION},
    "response": {"response_id": "resp_1"},
    "scoped": {"key": "customer", "value": "42"},
    "score": {"session_id": SESSION, "name": "helpful", "value": 0.5},
    "seal": {"session_ids": SESSION},
    "sql": {"statement": "SELECT 1"},
    "set_metadata": {"session_id": SESSION, "metadata": {"a": "b"}},
    "unseal": {"session_ids": SESSION},
    "verify": {"session_ids": SESSION},
}
OF_A_SESSION = (
    *("check_seen", "metadata", "scores", "last_seq", "revision", "events", "masked_events"),
    *("replay", "follow", "reseed", "session", "state", "transcript", "waveform"),
)
CALLS |= {name: {"session_id": SESSION} for name in OF_A_SESSION}
#: Callbacks, which the caller answers for, and switches, of which anything is true or false.
NOT_CHECKED = {
    *("check", "progress", "stopped", "away", "failures", "vacuum", "audio_only", "then_delete"),
    *(
        "once",
        "allow_private",
        "dry_run",
        "waits",
        "close",
        "live",
        "summary",
        "keep_going",
        "redact",
        "audio",
        "self",
    ),
}
VERBS = sorted(
    name
    for name, verb in inspect.getmembers(EventStore, inspect.isfunction)
    if not name.startswith("_") and not hasattr(verb, "__deprecated__")
)


def arguments() -> Iterator[tuple[str, str]]:
    """Each verb with each of its arguments."""
    for name in VERBS:
        for parameter in inspect.signature(getattr(EventStore, name)).parameters.values():
            if (name, parameter.name) == ("audio", "limit"):  # of the HTTP API
                continue
            if parameter.name in NOT_CHECKED or parameter.kind == parameter.VAR_KEYWORD:
                continue
            yield name, parameter.name


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some wrong values are right names of files: what is written there stays in the test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def store() -> EventStore:
    store = EventStore("sqlite://")
    store.append(SESSION, voice_call().frames)
    return store


def consume(made: Any) -> None:
    """Read what a verb gives to its end; the failures of results are documented errors."""
    if isinstance(made, Iterator):
        for _, one in zip(range(1000), made, strict=False):
            if isinstance(one, Failure):
                assert isinstance(one.error, EventStoreError)
                assert "unforeseen" not in str(one.error), one
    elif isinstance(made, Results):
        consume(iter(made.failed))


@pytest.mark.parametrize(("verb", "argument"), list(arguments()))
def test_a_wrong_argument_raises_what_is_documented(
    store: EventStore, verb: str, argument: str
) -> None:
    call: Mapping[str, Any] = CALLS.get(verb, CALLS.get(verb.removeprefix("iter_"), {}))
    extra = {"stopped": lambda: True} if verb == "follow" else {}
    faults = []
    for wrong in WRONG:
        try:
            consume(getattr(store, verb)(**{**call, **extra, argument: wrong}))
        except EventStoreError as error:
            if "unforeseen" in str(error):
                faults.append(f"{wrong!r}: {error}")
        except OSError as error:
            if verb not in ("audio", "plot", "import_file"):
                faults.append(f"{wrong!r}: {error}")
        except Exception as error:
            faults.append(f"{wrong!r}: {type(error).__name__}: {error}")
    assert faults == []


@pytest.mark.parametrize("argument", ["url", "projection", "keys", "time_limit", "prices"])
def test_a_store_is_opened_with_what_is_documented_or_not_at_all(argument: str) -> None:
    faults = []
    for wrong in [*WRONG, "sqlite:///\0", "mysql://host/name"]:
        if isinstance(wrong, str) and not wrong and argument == "keys":
            continue  # as an empty variable of the environment: none are given
        try:
            EventStore(**{"url": "sqlite://", argument: wrong}).close()
        except EventStoreError as error:
            if "unforeseen" in str(error):
                faults.append(f"{wrong!r}: {error}")
            continue
        except Exception as error:
            faults.append(f"{wrong!r}: {type(error).__name__}: {error}")
            continue
        if argument != "time_limit" or not isinstance(wrong, int | float):
            faults.append(f"{wrong!r} opens a store")
    assert faults == []


def test_the_error_says_what_is_wrong(store: EventStore) -> None:
    for frames, told in (
        ([{"type": "x"}], r"frame 1 is \{'type': 'x'\}; give Frame\(direction, text, at\)"),
        ([FRAME, "text"], "frame 2 is 'text'; give Frame"),
        (iter([FRAME, ("client", {"type": "x"}, None)]), "frame 2 is"),
        ("text", "frames is 'text'; give Frame"),
        ([Frame("client", {"type": "x"})], "frame 1 is"),  # type: ignore[arg-type]
        ([Frame("user", "{}")], "direction 'user'"),
        ([Frame("client", "{}", 1.5)], "time 1.5"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInputError, match=told):
            store.append("none", frames)  # type: ignore[arg-type]
    assert "none" not in list(store.stream_ids())
    with pytest.raises(InvalidInputError, match="session_id is 5; use text"):
        store.session(5)  # type: ignore[arg-type]


def test_what_verbs_of_upkeep_cannot_find_is_in_their_results(store: EventStore) -> None:
    for verb in (store.seal, store.unseal, store.rebuild, store.repair, store.erase, store.verify):
        results = verb(["nowhere", SESSION] if verb != store.erase else "nowhere")
        assert results.failed[0].session_id == "nowhere"
        assert "no session nowhere" in str(results.failed[0].error)
