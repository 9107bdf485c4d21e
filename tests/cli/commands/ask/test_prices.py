"""Acceptance: `--prices` and EVENTSTORE_PRICES, wherever a command shows money."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.calls import USAGE
from support.events import Call
from support.terminal import Terminal

from eventstore import EventStore

PRICES = """
[[price]]
model = "our-text"
input_text = 1000
input_audio = 1000
cached_text = 1000
cached_audio = 1000
output_text = 1000
output_audio = 1000
"""


@pytest.fixture
def prices(own_folder: Path) -> str:
    """A file of prices: by it the call costs $0.1200."""
    (own_folder / "prices.toml").write_text(PRICES)
    return "prices.toml"


@pytest.fixture(autouse=True)
def call(store: EventStore) -> None:
    """A call of a model that nobody knows."""
    call = Call().server("session.created", session={"id": "s", "model": "our-text"})
    call.typed("item_1", "Hello").created("resp_1").speaks("resp_1", "item_2", "Hi", 1000)
    call.done("resp_1", usage=USAGE)
    store.append("sess_1", call.frames, close=True)


SHOWN = ("usage", "state sess_1", "sessions --summary", "export sess_1 --format html")


@pytest.mark.parametrize("line", SHOWN)
def test_money_is_by_the_users_prices(terminal: Terminal, prices: str, line: str) -> None:
    assert "$0.1200" not in terminal(*line.split()).out
    behind = terminal(*line.split(), "--prices", prices)
    assert behind.code == 0 and "$0.1200" in behind.out
    before = terminal("--prices", prices, *line.split())
    assert before.code == 0 and "$0.1200" in before.out


@pytest.mark.parametrize("line", SHOWN)
def test_the_environment_names_them_too(
    terminal: Terminal, prices: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PRICES", prices)
    assert "$0.1200" in terminal(*line.split()).out


def test_an_option_goes_before_the_environment(
    terminal: Terminal, prices: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PRICES", "missing.toml")
    for arguments in (("usage", "--prices", prices), ("--prices", prices, "usage")):
        assert "$0.1200" in terminal(*arguments).out


@pytest.mark.parametrize("line", SHOWN)
def test_a_bad_file_is_one_line(terminal: Terminal, own_folder: Path, line: str) -> None:
    (own_folder / "bad.toml").write_text('[[price]]\nmodel = "m"\n"input\\u001b[31m" = 1')
    told = terminal(*line.split(), "--prices", "bad.toml").error(2)
    assert "bad.toml: price 1 input" in told and "\x1b" not in told
    missing = terminal(*line.split(), "--prices", "missing.toml").error(2)
    assert missing == "cannot read the prices of missing.toml: No such file or directory"


def test_commands_without_money_need_no_file(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_PRICES", "missing.toml")
    assert terminal("responses").code == 0
    assert terminal("status").code == 0


def test_less_than_a_hundredth_of_a_cent_is_not_nothing(
    terminal: Terminal, own_folder: Path
) -> None:
    (own_folder / "prices.toml").write_text(PRICES.replace("1000", "0.0001"))
    assert "<$0.0001" in terminal("usage", "--prices", "prices.toml").out
