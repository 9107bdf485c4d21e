"""Integration: each verb whose transactions are interrupted does what it does without that."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from support.calls import beta_tool_call, voice_call
from support.encrypted import keys_in
from support.import_files import answer, created, jsonl
from support.interruptions import (
    INTERRUPTIONS,
    all_rows,
    interrupt_transactions,
    stop_interrupting,
)
from support.postgres import CitusCluster, PostgresServer
from support.recorder_calls import is_in_step, wire

from eventstore import Append, EventStore, Recorder
from eventstore.archive.policy import read_policy
from eventstore.archive.retain import apply_policy
from eventstore.errors import MissingKeyError
from eventstore.realtime.frames import SERVER
from eventstore.segments import digest
from eventstore.store.database import retries
from eventstore.store.database.transaction import write
from eventstore.store.maintenance.scrub import scrub
from eventstore.times import now

FRAMES = voice_call().frames
SECRET = "sk-proj-q7ZplantedSecret123q7ZplantedSecret123"
POLICY = """
[[rule]]
older_than = "0m"
metadata = { customer = "42" }
do = "erase-audio"
reason = "agreed with 42"

[[rule]]
older_than = "0m"
metadata = { customer = "43" }
do = "erase"

[[rule]]
older_than = "0m"
do = "seal"
"""

Verb = Callable[[EventStore, EventStore, Path], object]


def _append(store: EventStore, other: EventStore, folder: Path) -> object:
    return [
        store.append("open", FRAMES),
        store.append("open", FRAMES[:1]),
        *(store.append("open", [frame]) for frame in beta_tool_call().frames),
        store.append("open", FRAMES[:3], close=True),
        store.append("new", FRAMES, expected_seq=0),
        store.append("new", FRAMES, expected_seq=len(FRAMES)),
        store.append("new", FRAMES, expected_seq=len(FRAMES)),
    ]


def _append_together(store: EventStore, other: EventStore, folder: Path) -> object:
    some = [Append("open", FRAMES), Append("a", FRAMES), Append("b", FRAMES[:1], close=True)]
    return [store.append_together(some), store.append_together(some[:2])]


def _set_metadata(store: EventStore, other: EventStore, folder: Path) -> object:
    done = [store.set_metadata(id_, {"team": "a"}) for id_ in ("open", "closed", "none")]
    return [*done, store.set_metadata("open", {"team": "b", "user": "2"})]


def _import(store: EventStore, other: EventStore, folder: Path) -> object:
    """Two connections in one file, with secrets; twice, the second time with other metadata."""
    update = {"type": "session.update", "session": {"instructions": f"The key is {SECRET}"}}
    content = jsonl(
        *(created("first"), update, *answer("resp_1"), *answer("resp_2")),
        *(created("second"), *answer("resp_3"), update, *answer("resp_4")),
        *(created("third"), *answer("resp_5")),
    )
    read: list[int] = []
    done = [
        store.import_file(
            BytesIO(content), redact=True, metadata={"user": user}, progress=read.append
        )
        for user in ("1", "2")
    ]
    return [done, read]


def _import_again(store: EventStore, other: EventStore, folder: Path) -> object:
    """Sessions that another store has exported, one of which is stored already."""
    content = b"".join(store.export(["open", "closed", "sealed"]))
    return other.import_file(BytesIO(content))


def _seal(store: EventStore, other: EventStore, folder: Path) -> object:
    return store.seal(["closed", "sealed", "behind"])


def _unseal(store: EventStore, other: EventStore, folder: Path) -> object:
    """And seal again, as the next verbs need it, with some events more than before."""
    done = [store.unseal(["sealed", "closed"])]
    store.append("sealed", FRAMES[:9])
    return [*done, store.seal("sealed")]


def _offload(store: EventStore, other: EventStore, folder: Path) -> object:
    place = str(folder)
    done: list[object] = [store.offload(["sealed", "sealed 2"], place)]
    done += [_files(folder), store.offload("sealed", None), store.offload("sealed", f"{place}/2")]
    return [*done, _files(folder), list(store.export("sealed")), store.unseal("sealed 2")]


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def _repair(store: EventStore, other: EventStore, folder: Path) -> object:
    return store.repair(["broken", "closed"])


def _project(store: EventStore, other: EventStore, folder: Path) -> object:
    """With one session that cannot be projected, which is noted."""
    return _told(store.project())


def _rebuild(store: EventStore, other: EventStore, folder: Path) -> object:
    return [_told(store.rebuild(["wrong", "closed"])), store.sum_days(), _told(store.rebuild())]


def _told(results: Any) -> object:
    return results.done, [(failure.session_id, str(failure.error)) for failure in results.failed]


def _sum_days(store: EventStore, other: EventStore, folder: Path) -> object:
    done = [store.sum_days(), store.usage(by="day")]
    store.append("closed", voice_call().frames)
    return [*done, store.sum_days(), store.usage(by="day"), store.latency(), store.context()]


def _prices(store: EventStore, other: EventStore, folder: Path) -> object:
    asked = [one["id"] for one in store.sessions(sort="cost", limit=50)]
    return [asked, store.price_sessions(), store.sessions(sort="cost").data]


def _copy(store: EventStore, other: EventStore, folder: Path) -> object:
    other.append("closed", FRAMES[:20])  # of which it is the continuation
    done: list[object] = [store.copy(["closed", "sealed", "behind"], other)]
    return [*done, store.copy("sealed", other), other.erase("sealed", vacuum=False)]


def _move(store: EventStore, other: EventStore, folder: Path) -> object:
    store.offload("sealed", str(folder))
    ids = ["closed", "sealed", "behind"]
    return [store.copy(ids, other, then_delete=True), _files(folder), other.status()["events"]]


def _erase(store: EventStore, other: EventStore, folder: Path) -> object:
    store.sum_days()
    store.offload("sealed", str(folder))
    done = [store.erase(["sealed", "closed", "open"], reason="asked to"), _files(folder)]
    return [*done, store.erase("sealed", vacuum=False), store.usage()]


def _erase_audio(store: EventStore, other: EventStore, folder: Path) -> object:
    store.offload("sealed", str(folder))
    ids = ["sealed", "closed", "sealed 2"]
    return [store.erase(ids, audio_only=True, vacuum=False), _files(folder)]


def _retain(store: EventStore, other: EventStore, folder: Path) -> object:
    store.offload("sealed", str(folder / "bytes"))
    path = folder / "policy.toml"
    path.write_text(POLICY)
    failed: list[str] = []
    done = [
        list(apply_policy(store.engine, read_policy(path), now(), lambda *one: failed.append(one)))
        for _ in range(2)
    ]
    scrub(store.engine, vacuum=False)
    return [done, _files(folder / "bytes"), [(id_, str(error)) for id_, error in failed]]


#: Verbs by what they do. Those of a line work one after the other on the same sessions.
def _score(store: EventStore, other: EventStore, folder: Path) -> object:
    return [store.score(id_, "helpful", 0.5)["id"] for id_ in ("open", "closed", "sealed")]


VERBS: dict[str, tuple[Verb, ...]] = {
    "append": (_append, _append_together, _set_metadata, _score),
    "project": (_project, _rebuild, _sum_days, _prices),
    "import": (_import,),
    "import_again": (_import_again,),
    "seal": (_seal, _unseal, _offload, _repair),
    "copy": (_copy,),
    "move": (_move,),
    "erase": (_erase,),
    "erase_audio": (_erase_audio,),
    "retain": (_retain,),
}
#: Those that write to another store as well.
TO_OTHERS = ("import_again", "copy", "move")


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once, and have segments of seven events, so that sessions have several."""
    monkeypatch.setattr(retries, "_PAUSES", (0.0,) * INTERRUPTIONS)
    monkeypatch.setattr(digest, "SEGMENT_EVENTS", 7)


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A database with sessions of all kinds, to copy."""
    if isinstance(postgres, CitusCluster):
        pytest.skip("Citus has no triggers on tables that are spread")
    name = postgres.create_database(postgres_template)
    with EventStore(postgres.url(name)) as store:
        _fill(store)
    yield name
    postgres.drop_database(name)


def _fill(store: EventStore) -> None:
    store.append("open", FRAMES)
    for id_, customer in (("closed", "42"), ("sealed", "42"), ("sealed 2", "43")):
        store.append(id_, FRAMES)
        store.set_metadata(id_, {"customer": customer})
        store.append(id_, [], close=True)
    for id_ in ("broken", "wrong"):
        store.append(id_, FRAMES)
    store.seal(["sealed", "sealed 2"]).raise_for_errors()
    with EventStore(str(store.engine.url), projection="deferred") as deferred:
        for id_ in ("behind", "damaged"):
            deferred.append(id_, FRAMES, close=True)
    with write(store.engine) as tx:
        tx.run("UPDATE streams SET head_seq = head_seq - 2 WHERE session_id = 'broken'")
        tx.run("UPDATE sessions SET responses = 77 WHERE session_id = 'wrong'")
        tx.run("DELETE FROM events WHERE session_id = 'damaged' AND seq = 5")


#: Makes so many copies of the filled database, and so many empty ones; their URLs.
Databases = Callable[[int, int], list[str]]


@pytest.fixture
def databases(postgres: PostgresServer, filled: str, postgres_template: str) -> Iterator[Databases]:
    """Makes copies of the filled database, and then empty ones."""
    names: list[str] = []

    def make(count: int, empty: int) -> list[str]:
        templates = [filled] * count + [postgres_template] * empty
        made = [postgres.create_database(one) for one in templates]
        names.extend(made)
        return [postgres.url(name) for name in made]

    yield make
    for name in names:
        postgres.drop_database(name)


@pytest.mark.parametrize("name", VERBS)
def test_an_interrupted_verb_does_all_of_its_work_once(
    databases: Databases, tmp_path: Path, name: str
) -> None:
    began = now()
    others = int(name in TO_OTHERS)
    pairs = [databases(1, others) for _ in range(2)]
    undisturbed = _outcome(VERBS[name], pairs[0], tmp_path / "undisturbed", began)
    for url in pairs[1]:
        interrupt_transactions(url)
    disturbed = _outcome(VERBS[name], pairs[1], tmp_path / "disturbed", began)
    for what, (one, other) in enumerate(zip(disturbed, undisturbed, strict=True)):
        assert one == other, what
    for url in pairs[1]:
        assert stop_interrupting(url) > INTERRUPTIONS


def _outcome(verbs: Sequence[Verb], urls: list[str], folder: Path, began: int) -> list[object]:
    """What the verbs return, and all rows after the stores went on to be used."""
    with ExitStack() as stack:
        stores = [stack.enter_context(EventStore(url)) for url in urls]
        told = []
        for number, verb in enumerate(verbs):
            (place := folder / str(number)).mkdir(parents=True)
            told.append(_comparable(verb(stores[0], stores[-1], place), began))
        for store in stores:
            for id_ in store.stream_ids():
                if id_ in ("open", "closed", "sealed", "first"):
                    store.append(id_, FRAMES[:3])
    return [*told, *(all_rows(url, began) for url in urls)]


def _comparable(told: Any, began: int) -> Any:
    """What was told, without times that are later than the beginning."""
    if isinstance(told, dict):
        return {key: _comparable(value, began) for key, value in told.items()}
    if isinstance(told, tuple | list):
        return [_comparable(value, began) for value in told]
    if hasattr(told, "done"):
        return [_comparable(told.done, began), [str(one.error) for one in told.failed]]
    if isinstance(told, int | float) and told >= began / 1_000_000:
        return "later"
    return told


def test_an_interrupted_recorder_records_each_frame_once(
    databases: Databases, tmp_path: Path
) -> None:
    (url,) = databases(0, 1)
    interrupt_transactions(url)
    with EventStore(url) as store, Recorder(store, tmp_path / "spool") as recorder:
        sessions = [recorder.session() for _ in range(4)]
        for number, session in enumerate(sessions):
            session.record(SERVER, json.dumps(created(f"s{number}")))
            for frame in FRAMES:
                session.record(SERVER, frame.text)
            session.committed().result(30)
        for session in sessions:
            session.close("client", 1000, "bye")
        recorder.close()
        expected = [json.dumps(created("s0")), *(frame.text for frame in FRAMES)]
        assert [text for _, text in wire(store, "s0")] == expected
        assert stop_interrupting(url) > INTERRUPTIONS
        is_in_step(store)
        assert store.status()["sessions"] == 4


def test_an_interrupted_store_that_encrypts_is_marked_and_has_its_keys(
    databases: Databases,
) -> None:
    """The first transaction marks the store, and is rolled back after that."""
    url, keys = databases(0, 2)
    interrupt_transactions(url)
    interrupt_transactions(keys)
    with EventStore(url, keys=keys) as store:
        store.append_together([Append(id_, FRAMES, close=True) for id_ in "abc"])
        store.seal(["a", "b"]).raise_for_errors()
        store.unseal("b").raise_for_errors()
        for id_ in "abc":
            assert [event.text for event in store.events(id_)] == [one.text for one in FRAMES]
        assert keys_in(store).keys() == set("abc")
        store.erase("a", vacuum=False).raise_for_errors()
        assert keys_in(store)["a"] is None
        assert store.verify(["b", "c"]).failed == []
    with pytest.raises(MissingKeyError), EventStore(url) as store:
        store.append("d", FRAMES)
    assert stop_interrupting(url) > INTERRUPTIONS
    assert stop_interrupting(keys) > INTERRUPTIONS
