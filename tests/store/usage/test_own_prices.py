"""Integration: a user's prices hold in every answer, also about days that were summed up before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.calls import USAGE
from support.events import Call

from eventstore import EventStore, InvalidInputError
from eventstore.exports.parquet.write_parquet import write_parquet

Json = dict[str, Any]

#: What is spoken in each call: 60 text and 40 audio tokens in, of these 30 and 20 cached; 5 and 15
#: out.
PRICES = """
[[price]]
model = "our-*"
until = 2026-05-02
input_text = 1
input_audio = 10
cached_text = 0.5
cached_audio = 1
output_text = 2
output_audio = 20

[[price]]
model = "our-*"
input_text = 2
input_audio = 20
cached_text = 1
cached_audio = 2
output_text = 4
output_audio = 40

[deployments]
swedish = "gpt-realtime"
"""
FIRST = (30 * 1 + 20 * 10 + 30 * 0.5 + 20 * 1 + 5 * 2 + 15 * 20) / 1e6
PUBLISHED = (30 * 4 + 20 * 32 + 30 * 0.4 + 20 * 0.4 + 5 * 16 + 15 * 64) / 1e6


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """A file of prices."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES)
    return path


@contextmanager
def opened(url: str, prices: Path | None) -> Iterator[EventStore]:
    """The same database by other prices."""
    with EventStore(url, prices=prices) as found:
        yield found


def put_calls(store: EventStore) -> None:
    """A call on each of three days by a deployment, and one by another."""
    for day in (1, 2, 3):
        for name in ("our-voice", "swedish"):
            at = int(datetime(2026, 5, day, 12, tzinfo=UTC).timestamp() * 10**6)
            call = Call().store("opened", metadata={"customer": str(day)})
            call.server("session.created", session={"id": "s", "model": name})
            call.created("resp").done("resp", usage=USAGE)
            frames = [f._replace(at=at + n * 1000) for n, f in enumerate(call.frames)]
            store.append(f"{name}_{day}", frames, close=True)


def costs(store: EventStore, by: str) -> Json:
    """What each group costs."""
    return {
        " ".join(filter(None, (line["key"], line.get("model")))): line["cost_usd"]
        for line in store.usage(by)["data"]
    }


def test_a_days_sums_are_priced_by_the_file_of_whoever_asks(
    store: EventStore, prices: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("database_url")
    put_calls(store)
    assert store.sum_days().done == ["2026-05-03", "2026-05-02", "2026-05-01"]
    assert costs(store, "model") == {"our-voice": None, "swedish": None}
    with opened(url, prices) as own:
        assert costs(own, "model") == {
            "our-voice": pytest.approx(5 * FIRST),
            "swedish": pytest.approx(3 * PUBLISHED),
        }
        assert costs(own, "day,model")["2026-05-01 our-voice"] == pytest.approx(FIRST)
        assert costs(own, "day,model")["2026-05-02 our-voice"] == pytest.approx(2 * FIRST)
        by_customer = costs(own, "metadata:customer")
        assert by_customer == {
            "1": pytest.approx(FIRST + PUBLISHED),
            "2": pytest.approx(2 * FIRST + PUBLISHED),
            "3": pytest.approx(2 * FIRST + PUBLISHED),
        }
        assert own.usage()["total"]["unpriced"]["models"] == []
    prices.write_text(PRICES.replace("swedish", "danish"))
    with opened(url, prices) as own:
        assert costs(own, "model")["swedish"] is None
        assert own.usage()["total"]["unpriced"]["models"] == ["swedish"]


def test_sums_and_rows_are_priced_alike(store: EventStore, prices: Path, database_url: str) -> None:
    put_calls(store)
    with opened(database_url, prices) as own:
        groups = ("model", "day", "day,model", "metadata:customer")
        by_rows = [own.usage(by) for by in groups]
        own.sum_days().raise_for_errors()
        assert [own.usage(by) for by in groups] == by_rows


def test_each_place_that_shows_money_knows_the_users_prices(
    store: EventStore, prices: Path, database_url: str, tmp_path: Path
) -> None:
    put_calls(store)
    with opened(database_url, prices) as own:
        shown = own.state("our-voice_1")["usage"]
        assert shown["cost_usd"] == pytest.approx(FIRST)
        assert shown == own.usage(session="our-voice_1")["total"]
        listed = {entry["id"]: entry for entry in own.sessions(summary=True).data}
        summary = listed["our-voice_1"]["eventstore"]["summary"]
        assert (summary["cost_usd"], summary["unpriced"]) == (pytest.approx(FIRST), False)
        assert f"${FIRST:.4f}" in own.transcript("our-voice_1")[0].notes
        scoped = own.scoped("customer", "1").usage()["total"]
        assert scoped["cost_usd"] == pytest.approx(FIRST + PUBLISHED)
        write_parquet(own, own.session_ids(), tmp_path / "tables")
    rows = pq.read_table(tmp_path / "tables" / "usage.parquet").to_pylist()
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(5 * FIRST + 3 * PUBLISHED)
    unknown = store.transcript("our-voice_1")[0].notes
    assert "cost unknown" in unknown


def test_the_environment_names_the_file(
    prices: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PRICES", str(prices))
    with EventStore(database_url) as own:
        put_calls(own)
        assert costs(own, "model")["our-voice"] == pytest.approx(5 * FIRST)


def test_a_bad_file_of_the_environment_stops_no_recording(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PRICES", os.fspath(tmp_path / "missing.toml"))
    with EventStore(database_url) as own:
        put_calls(own)
        assert len(own.responses().data) == 6
        with pytest.raises(InvalidInputError, match=r"missing\.toml: No such file"):
            own.usage()


def test_a_bad_file_that_is_given_is_told_at_once(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "prices.toml").write_text("[[price]]\nmodel = 'm'\ninput_text = 'x'")
    with pytest.raises(InvalidInputError, match=r"prices\.toml: price 1 input_text: write a"):
        EventStore(database_url, prices=tmp_path / "prices.toml")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_prices_may_change_each_day(tmp_path: Path, database_url: str) -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(2000)]
    rules = [
        f"[[price]]\nmodel = 'our-*'\nfrom = {day}\nuntil = {day + timedelta(days=1)}\n"
        "input_text = 1\ninput_audio = 10\ncached_text = 0.5\ncached_audio = 1\n"
        "output_text = 2\noutput_audio = 20\n"
        for day in days
    ]
    (tmp_path / "prices.toml").write_text("".join(rules))
    with opened(database_url, tmp_path / "prices.toml") as own:
        put_calls(own)
        total = own.usage()["total"]
    assert total["unpriced"]["responses"] == 6  # the days of the calls have none of these prices
