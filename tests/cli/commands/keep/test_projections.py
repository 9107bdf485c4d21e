"""Integration: the command `projections`, and projections of one's own in others."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from support.calls import voice_call
from support.own_projections import CountTypes, Misbehaving, raises
from support.terminal import Terminal

from eventstore import EventStore
from eventstore.store.consumers.projections import registry

FRAMES = voice_call().frames


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package names two projections; one of them cannot be imported."""
    points = (
        EntryPoint("own_counts", "support.own_projections:CountTypes", registry.GROUP),
        EntryPoint("gone", "no_such_module:Projection", registry.GROUP),
    )
    real = importlib.metadata.entry_points

    def entry_points(**wanted: Any) -> Any:
        return points if wanted == {"group": registry.GROUP} else real(**wanted)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()


@pytest.fixture(autouse=True)
def no_table_is_left(store: EventStore) -> Iterator[None]:
    """The database is emptied for the next test, of the store's own tables alone."""
    yield
    for one in store.projections():
        store.drop_projection(one["name"])


def test_an_installed_projection_is_run(terminal: Terminal, store: EventStore) -> None:
    store.append("a", FRAMES)
    assert terminal("projections", "--json").json == {"object": "list", "data": []}
    assert "docs/projections.md" in terminal("projections").out
    done = terminal("project", "--json")
    assert json.loads(done.out)["projections"] == {"own_counts": 1}
    assert "no_such_module" in done.err
    (listed,) = terminal("projections", "--json").json["data"]
    assert (listed["name"], listed["behind"], listed["runs_here"]) == ("own_counts", 0, True)
    told = "own_counts (version 1, by eventstore project): 0 sessions behind"
    assert terminal("projections").out.splitlines() == [told]
    assert told in terminal("status").out
    assert terminal("status", "--json").json["projections"] == [listed]
    again = terminal("rebuild", "--all", "--projection", "own_counts")
    assert "every row was right" in again.out
    assert "no projection 'x'" in terminal("rebuild", "a", "--projection", "x").err
    assert "Say so with --yes" in terminal("projections", "--drop", "own_counts").err
    dropped = terminal("projections", "--drop", "own_counts", "--yes", "--json").json
    assert dropped["tables"] == ["own_types", "own_said"]
    assert terminal("projections", "--json").json["data"] == []


def test_what_cannot_be_loaded_is_told_once(store: EventStore) -> None:
    assert [one.name for one in store.project().failed] == ["projections"]
    assert store.project().failed == []


def test_a_failure_is_named(terminal: Terminal, store: EventStore) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    with EventStore(url, projections=[Misbehaving(raises), CountTypes(inline=True)]) as writer:
        writer.append("a", FRAMES)
    lines = terminal("projections").out.splitlines()
    assert lines[0].endswith("1 session behind, 1 failed; it is not installed here")
    assert lines[1] == "  failed once: a after event 0: RuntimeError"
    assert lines[2] == "own_counts (version 1, inline): 0 sessions behind"
