"""Integration: a policy does what it says with each session, once, and again without harm."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.calls import voice_call
from support.events import START
from support.silenced import is_silent

from eventstore import EventStore
from eventstore.archive.policy import Policy, read_policy
from eventstore.archive.retain import apply_policy
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.realtime.frames import STORE, Frame
from eventstore.store.database.tables import declared as tables
from eventstore.store.database.transaction import read
from eventstore.store.log.session_facts import metadata_frame

DAY = 86_400 * 1_000_000
NOW = START + 400 * DAY

POLICY = """
[[rule]]
older_than = "30d"
do = "seal"

[[rule]]
older_than = "12w"
metadata = { customer = "42" }
do = "erase-audio"
reason = "agreed with 42"

[[rule]]
older_than = "365d"
do = "erase"
reason = "a year is over"
"""


def policy(text: str, tmp_path: Path, name: str = "policy.toml") -> Policy:
    path = tmp_path / name
    path.write_text(text)
    return read_policy(path)


def closed(store: EventStore, name: str, days: float, customer: str | None = None) -> None:
    """A session that was closed so many days ago."""
    store.append(name, voice_call().frames)
    if customer is not None:
        store.append(name, [metadata_frame({"customer": customer}, None)])
    at = NOW - round(days * DAY)
    store.append(name, [Frame(STORE, '{"type":"eventstore.session.closed"}', at)], close=True)
    with store.engine.begin() as connection:
        named = tables.streams.c.session_id == name
        connection.execute(tables.streams.update().where(named).values(closed_at=at))


def apply(store: EventStore, policy: Policy, dry_run: bool = False) -> list[tuple[str, int, int]]:
    """What each rule did: with how many sessions, and with how many it could not."""

    def failed(session_id: str, error: EventStoreError) -> None:
        failures.append((session_id, str(error)))

    failures: list[tuple[str, str]] = []
    done = list(apply_policy(store.engine, policy, NOW, failed, dry_run))
    assert sum(applied.failed for applied in done) == len(failures)
    return [(applied.rule.do, applied.sessions, applied.failed) for applied in done]


def state(store: EventStore) -> dict[str, tuple[bool, bool]]:
    """Of each session that is left: whether it is sealed, and whether it has no audio."""
    with read(store.engine) as tx:
        rows = tx.rows(
            "SELECT session_id, sealed_seq = head_seq FROM streams WHERE erased_at IS NULL"
        )
    return {name: (bool(sealed), is_silent(store, name)) for name, sealed in rows}


def test_each_rule_is_applied_to_what_it_fits(store: EventStore, tmp_path: Path) -> None:
    closed(store, "new", 1)
    closed(store, "month", 31)
    closed(store, "quarter", 100)
    closed(store, "quarter42", 100, "42")
    closed(store, "month42", 40, "42")
    closed(store, "year", 366)
    closed(store, "year42", 366, "42")
    store.append("open", voice_call().frames)
    rules = policy(POLICY, tmp_path)
    would = apply(store, rules, dry_run=True)
    assert not any(any(pair) for pair in state(store).values())
    assert would == [("seal", 6, 0), ("erase-audio", 2, 0), ("erase", 2, 0)]
    assert apply(store, rules) == would
    assert state(store) == {
        "new": (False, False),
        "month": (True, False),
        "quarter": (True, False),
        "quarter42": (True, True),
        "month42": (True, False),
        "open": (False, False),
    }
    with read(store.engine) as tx:
        found = tx.rows("SELECT session_id, what, reason FROM erasures ORDER BY 1, 2")
    assert found == [
        ("quarter42", "audio", "agreed with 42"),
        ("year", "session", "a year is over"),
        ("year42", "audio", "agreed with 42"),
        ("year42", "session", "a year is over"),
    ]
    assert apply(store, rules) == [("seal", 0, 0), ("erase-audio", 0, 0), ("erase", 0, 0)]
    assert sum(done.changed for done in store.rebuild().done) == 0


def test_what_an_earlier_rule_erases_is_not_counted_again(
    store: EventStore, tmp_path: Path
) -> None:
    closed(store, "a", 31, "42")
    closed(store, "b", 31)
    rules = policy(
        '[[rule]]\nolder_than="1d"\nmetadata=["customer=42"]\ndo="erase"\n'
        '[[rule]]\nolder_than="1d"\ndo="erase-audio"\n[[rule]]\nolder_than="1h"\ndo="seal"',
        tmp_path,
    )
    would = apply(store, rules, dry_run=True)
    assert would == [("erase", 1, 0), ("erase-audio", 1, 0), ("seal", 1, 0)]
    assert apply(store, rules) == would
    assert state(store) == {"b": (True, True)}


def test_more_sessions_than_a_page_has(
    store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.filters.choose_sessions._PAGE", 3)
    for number in range(10):
        closed(store, f"s{number}", 31)
    rules = policy('{"rule": [{"older_than": "1d", "do": "erase"}]}', tmp_path, "policy.json")
    assert apply(store, rules) == [("erase", 10, 0)]
    assert store.sessions().data == []


def test_one_that_cannot_be_done_keeps_no_other(store: EventStore, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        closed(store, name, 31)
    with store.engine.begin() as connection:
        hole = (tables.events.c.session_id == "b") & (tables.events.c.seq == 3)
        connection.execute(tables.events.delete().where(hole))
    rules = policy('[[rule]]\nolder_than="1d"\ndo="seal"', tmp_path)
    assert apply(store, rules) == [("seal", 2, 1)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "rule: Field required"),
        ("rule = []", "rule: Tuple should have at least 1 item"),
        ('[[rule]]\ndo="erase"', "rule 1 older_than: Field required"),
        ('[[rule]]\nolder_than="1d"', "rule 1 do: Field required"),
        ('[[rule]]\nolder_than="1 day"\ndo="erase"', "rule 1 older_than: not an age: '1 day'"),
        ('[[rule]]\nolder_than=30\ndo="erase"', "rule 1 older_than: not an age: 30"),
        ('[[rule]]\nolder_than="-1d"\ndo="erase"', "rule 1 older_than: not an age: '-1d'"),
        ('[[rule]]\nolder_than="1d"\ndo="delete"', "rule 1 do: Input should be 'seal'"),
        ('[[rule]]\nolder_than="1d"\ndo="erase"\nmodel="x"', "rule 1 model: Extra inputs"),
        ('[[rule]]\nolder_than="1d"\ndo="erase"\nreason="a\\nb"', "rule 1 reason: a reason is"),
        ('[[rule]]\nolder_than="1d"\ndo="erase"\nmetadata="=x"', "metadata filter '=x'"),
        ('rules = 1\n[[rule]]\nolder_than="1d"\ndo="erase"', "rules: Extra inputs"),
        ("[[rule", "is no policy: "),
        ("\0", "is no policy: "),
    ],
)
def test_a_policy_that_is_none_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        policy(text, tmp_path)
    assert problem in str(caught.value) and "policy.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["[]", "1", "{", '{"rule": 1}', "[" * 100_000, '"\\ud800"'])
def test_json_that_is_no_policy_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"policy\.json"):
        policy(text, tmp_path, "policy.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_policy(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidInputError, match="is no policy"):
        read_policy(tmp_path / "bytes.toml")


def test_an_age_in_each_unit(tmp_path: Path) -> None:
    ages = {
        "45s": 45,
        "90m": 90 * 60,
        "12h": 12 * 3600,
        "30d": 30 * 86_400,
        "52w": 52 * 7 * 86_400,
        "0d": 0,
    }
    rules = [{"older_than": age, "do": "erase"} for age in ages]
    found = policy(json.dumps({"rule": rules}), tmp_path, "p.json").rule
    assert [rule.older_than // 1_000_000 for rule in found] == list(ages.values())
