"""Money is known, or it is named as unknown: streams that people reported, on both databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import recordings
from support.cases import case
from support.terminal import Terminal

Json = dict[str, Any]

#: What each stream costs in all, and what has no price there.
COSTS: dict[str, tuple[float | None, list[str]]] = {
    "translation_hour": (2.25 / 3600 * 2.04, []),
    "old_preview_price": (0.46268, []),
    "usage_without_details": (None, ["gpt-4o-mini-transcribe", "gpt-realtime"]),
    "xai_billable_seconds": (0.50, []),
    "whisper_seconds": (0.0170, []),
    "image_tokens": (0.0015148, []),
    "reasoning_tokens": (0.0072, []),
    # Their transcriber has a price by tokens, and tells seconds.
    "cached_first_turn": (0.0067756, ["gpt-4o-mini-transcribe"]),
    "voicelive_16k_output": (0.0001, ["gpt-4o"]),
    "azure_deployment_name": (0.0001, ["gpt-realtime-global-standard"]),
}


def total_of(terminal: Terminal, name: str, *options: str) -> Json:
    """Import a stream, and ask what it costs."""
    done = terminal("import", str(case(name)))
    assert done.code == 0, done
    total: Json = terminal("usage", "--json", *options).json["total"]
    return total


@pytest.mark.parametrize("name", COSTS)
def test_a_stream_costs_what_its_reporter_expected(terminal: Terminal, name: str) -> None:
    usd, unpriced = COSTS[name]
    total = total_of(terminal, name)
    assert total["unpriced"]["models"] == unpriced
    assert total["cost_usd"] == (None if usd is None else pytest.approx(usd, rel=1e-4))
    (entry,) = terminal("sessions", "--summary", "--json").json["data"]
    summary = entry["eventstore"]["summary"]
    assert (summary["cost_usd"], summary["unpriced"]) == (total["cost_usd"], bool(unpriced))
    assert terminal("state", entry["id"], "--json").json["usage"] == total


def test_a_translation_is_a_session_that_is_billed(terminal: Terminal) -> None:
    total = total_of(terminal, "translation_hour")
    assert (total["sessions"], total["audio_ms"], total["responses"]) == (1, 2250, 0)
    told = terminal("usage").out.splitlines()
    assert told[0].split()[-2:] == ["TIME", "COST"]
    assert told[-1].split()[-2:] == ["2.2s", "$0.0013"]


def test_a_translation_without_times_is_named_as_unpriced(terminal: Terminal) -> None:
    path = recordings.folder() / "openai-translation.jsonl"
    if not path.is_file():
        pytest.skip(recordings.MISSING)
    terminal("import", str(path))
    total = terminal("usage", "--json").json["total"]
    assert total["cost_usd"] is None
    assert total["unpriced"]["models"] == ["gpt-realtime-translate"]
    assert total["unpriced"]["sessions"] == total["unpriced"]["without_usage"] == 1
    why = "1 session whose usage the server has not told (gpt-realtime-translate)"
    assert f"Not in the cost: {why}." in " ".join(terminal("usage").err.split())


def test_tokens_that_are_not_told_apart_cost_between_two_amounts(terminal: Terminal) -> None:
    total = total_of(terminal, "usage_without_details")
    assert total["unpriced_between_usd"] == [0.0088, 0.0448]
    told = terminal("usage", "--by", "model")
    assert "between $0.0088 and $0.0448" in told.err and "unknown" in told.out


def test_billed_seconds_are_counted(terminal: Terminal) -> None:
    total = total_of(terminal, "xai_billable_seconds")
    assert (total["audio_ms"], total["input_tokens"]) == (600_000, 156)


PRICES = """
[[price]]
model = "gpt-4o"
input_text = 2.5
input_audio = 17
output_text = 10
output_audio = 38

[deployments]
gpt-realtime-global-standard = "gpt-realtime"
"""


@pytest.fixture
def prices(own_folder: Path) -> Path:
    """A file of a user's own prices."""
    path = own_folder / "prices.toml"
    path.write_text(PRICES)
    return path


def test_a_deployment_is_priced_as_its_model(terminal: Terminal, prices: Path) -> None:
    total = total_of(terminal, "azure_deployment_name", "--prices", str(prices))
    assert total["unpriced"]["models"] == []
    by_model = terminal("usage", "--by", "model", "--json", "--prices", str(prices)).json["data"]
    costs = {line["key"]: line["cost_usd"] for line in by_model}
    assert costs["gpt-realtime-global-standard"] == pytest.approx(0.00744)


def test_a_model_without_a_price_for_audio_has_the_users(terminal: Terminal, prices: Path) -> None:
    total = total_of(terminal, "voicelive_16k_output", "--prices", str(prices))
    usd = (100 * 2.5 + 50 * 17 + 20 * 10 + 80 * 38) / 1e6
    assert total["cost_usd"] == pytest.approx(usd + 0.0001)
