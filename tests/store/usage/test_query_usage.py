"""Integration: usage is the plain sum of what servers billed, and money by what each costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from genai_prices import Usage, calc_price, data_snapshot
from hypothesis import given
from support.calls import USAGE, beta_tool_call, cut_off_call, voice_call
from support.events import START, Call
from support.examples import examples
from support.query_calls import (
    KEYS,
    Known,
    calls,
    events_named,
    everything,
    holds,
    moments,
    recorded,
    transcriber_of,
)
from support.recordings import each_recording
from support.response_filters import filters

from eventstore import EventStore, InvalidInputError
from eventstore.store.database.transaction import Transaction

Json = dict[str, Any]

TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
#: What is summed, and where a usage object says it.
FIELDS = {
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "total_tokens": ("total_tokens",),
    "input_text": ("input_token_details", "text_tokens"),
    "input_audio": ("input_token_details", "audio_tokens"),
    "input_image": ("input_token_details", "image_tokens"),
    "cached_tokens": ("input_token_details", "cached_tokens"),
    "cached_text": ("input_token_details", "cached_tokens_details", "text_tokens"),
    "cached_audio": ("input_token_details", "cached_tokens_details", "audio_tokens"),
    "cached_image": ("input_token_details", "cached_tokens_details", "image_tokens"),
    "output_text": ("output_token_details", "text_tokens"),
    "output_audio": ("output_token_details", "audio_tokens"),
}


class Billed(NamedTuple):
    """A response or a transcription, as its server billed it."""

    kind: str
    at: int
    session_id: str
    model: str | None
    usage: Json | None
    metadata: dict[str, str]
    known: Known | None = None


def billed(store: EventStore) -> list[Billed]:
    """All that is billed in all calls."""
    found = [_response(known) for known in everything(store)]
    return [entry for entry in found if entry is not None] + _transcriptions(store)


def _response(known: Known) -> Billed | None:
    done = known.resource["eventstore"]["done_seq"]
    if done is None:
        return None
    at = calls()[known.session_id][done - 1].at
    assert at is not None
    # What its session says of a key goes before a response's own value.
    metadata = {**(known.resource["metadata"] or {}), **known.session_metadata}
    known = known._replace(resource={**known.resource, "metadata": metadata})
    model = known.resource["eventstore"]["model"]
    usage = known.resource["usage"]
    return Billed("responses", at, known.session_id, model, usage, metadata, known)


def _transcriptions(store: EventStore) -> list[Billed]:
    found = []
    for session_id, frames in calls().items():
        metadata = store.metadata(session_id)
        model = transcriber_of(frames)
        for at, event in events_named(session_id, TRANSCRIBED):
            usage = event.get("usage")
            found.append(Billed("transcriptions", at, session_id, model, usage, metadata))
    return found


def _number(usage: Json | None, path: Iterable[str]) -> int:
    value: Any = usage or {}
    for key in path:
        value = value.get(key) or {}
    return value or 0


def _price(entry: Billed) -> float | None:
    """What genai-prices says of one thing; None where it says nothing of use."""
    if entry.usage is None or entry.model is None:
        return None
    usage = _as_priced(entry.usage)
    moment = datetime.fromtimestamp(entry.at / 10**6, tz=UTC)
    try:
        price = calc_price(Usage(**usage), entry.model, genai_request_timestamp=moment)
    except LookupError:
        return None
    if usage.get("input_image_tokens") and price.model_price.input_image_mtok is None:
        return None  # it says the price of text
    return float(price.total_price) or None


def _as_priced(usage: Json) -> dict[str, Any]:
    if "seconds" in usage:
        return {"audio_seconds": usage["seconds"]}
    counts = {name: _number(usage, path) for name, path in FIELDS.items()}
    if "output_token_details" not in usage:
        counts["output_text"] = counts["output_tokens"]
    return {
        "input_tokens": counts["input_tokens"],
        "input_audio_tokens": counts["input_audio"],
        "input_image_tokens": counts["input_image"],
        "cache_read_tokens": counts["cached_tokens"],
        "cache_audio_read_tokens": counts["cached_audio"],
        "cache_image_read_tokens": counts["cached_image"],
        "output_tokens": counts["output_tokens"],
        "output_audio_tokens": counts["output_audio"],
    }


def plain_sum(entries: Iterable[Billed]) -> Json:
    """What a line of usage should say."""
    rows = list(entries)
    counts = {
        kind: sum(entry.kind == kind for entry in rows) for kind in ("responses", "transcriptions")
    }
    sums = {name: sum(_number(e.usage, path) for e in rows) for name, path in FIELDS.items()}
    # A transcription writes text.
    sums["output_text"] += sum(
        _number(e.usage, ["output_tokens"]) for e in rows if e.kind == "transcriptions"
    )
    sums["audio_ms"] = sum(round(1000 * _number(e.usage, ["seconds"])) for e in rows)
    prices = [_price(entry) for entry in rows]
    unpriced = [entry for entry, price in zip(rows, prices, strict=True) if price is None]
    return {
        **counts,
        **sums,
        "sessions": 0,
        "unpriced_between_usd": None,
        "cost_usd": _sum_of_prices(prices),
        "unpriced": {
            "responses": sum(entry.kind == "responses" for entry in unpriced),
            "transcriptions": sum(entry.kind == "transcriptions" for entry in unpriced),
            "sessions": 0,
            "models": sorted({entry.model or "unknown" for entry in unpriced}),
            "without_usage": sum(entry.usage is None for entry in unpriced),
            **_untold(unpriced),
        },
    }


def _untold(unpriced: list[Billed]) -> Json:
    """What is said of usage that the server has not told."""
    kinds = Counter(entry.kind for entry in unpriced if entry.usage is None)
    told = {entry.model or "unknown" for entry in unpriced if entry.usage is not None}
    untold = {entry.model or "unknown" for entry in unpriced if entry.usage is None}
    return {"untold": {**kinds, "models": sorted(untold - told)}} if kinds else {}


def _sum_of_prices(prices: list[float | None]) -> Any:
    """None where there is something to pay, and nothing of it has a known price."""
    if prices and all(price is None for price in prices):
        return None
    return pytest.approx(sum(price or 0 for price in prices), rel=1e-9, abs=1e-12)


def bare(line: Json) -> Json:
    """A line of usage without its name."""
    assert line["object"] == "realtime.usage"
    return {name: value for name, value in line.items() if name not in ("object", "key")}


def test_the_total_is_the_plain_sum(store: EventStore) -> None:
    found = recorded(store).usage()
    assert found["object"] == "list" and found["by"] is None and found["data"] == []
    assert bare(found["total"]) == plain_sum(billed(store))
    assert found["total"]["cost_usd"] > 0 and found["total"]["audio_ms"] > 0
    assert all(found["total"]["unpriced"][kind] > 0 for kind in ("responses", "transcriptions"))
    unknown = {"unheard-of-1", "unheard-of-2", "unknown"}
    assert unknown <= set(found["total"]["unpriced"]["models"])


def _day(entry: Billed) -> str:
    return datetime.fromtimestamp(entry.at / 10**6, tz=UTC).strftime("%Y-%m-%d")


GROUPS: dict[str, Callable[[Billed], str | None]] = {
    "session": lambda entry: entry.session_id,
    "model": lambda entry: entry.model,
    "day": _day,
    "metadata:unheard of": lambda entry: None,
    **{f"metadata:{key}": (lambda entry, key=key: entry.metadata.get(key)) for key in KEYS},
}


@pytest.mark.parametrize("by", GROUPS)
def test_each_line_is_the_plain_sum_of_its_group(store: EventStore, by: str) -> None:
    found = recorded(store).usage(by)
    groups: dict[str | None, list[Billed]] = {}
    for entry in billed(store):
        groups.setdefault(GROUPS[by](entry), []).append(entry)
    assert {line["key"]: bare(line) for line in found["data"]} == {
        key: plain_sum(entries) for key, entries in groups.items()
    }
    keys = [line["key"] for line in found["data"]]
    assert keys == sorted(keys, key=lambda key: (key is None, key or ""))
    assert found["by"] == by
    assert bare(found["total"]) == plain_sum(billed(store))


def test_usage_of_any_mix_of_filters_is_that_of_the_responses_they_find(store: EventStore) -> None:
    entries = billed(recorded(store))

    @given(options=filters())
    @examples(60)
    def check(options: dict[str, Any]) -> None:
        found = store.usage(**options)["total"]
        assert bare(found) == plain_sum(entry for entry in entries if _counts(entry, options))

    check()


def _counts(entry: Billed, options: dict[str, Any]) -> bool:
    """Whether a billed thing passes: time and model are its own; a transcription is no response."""
    own = {
        name: options[name] for name in ("since", "until", "model", "session") if name in options
    }
    rest = {name: value for name, value in options.items() if name not in own}
    if not _own_hold(entry, own):
        return False
    if entry.known is not None:
        return holds(entry.known, rest)
    session = Known(0, "", "", {"metadata": None}, entry.metadata, [])
    return not rest or (set(rest) == {"metadata"} and holds(session, rest))


def _own_hold(entry: Billed, own: dict[str, Any]) -> bool:
    since, until = (
        float(own.get(name, default)) for name, default in (("since", 0), ("until", 1e11))
    )
    return (
        own.get("session", entry.session_id) == entry.session_id
        and own.get("model", entry.model) == entry.model
        and round(since * 10**6) <= entry.at < round(until * 10**6)
    )


def test_an_answer_reads_few_rows_however_much_was_billed(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Call()
    for number in range(30):
        call.created(f"resp_{number}").done(f"resp_{number}", usage=USAGE)
    store.append("sess_many", call.frames)
    read, plain = list[int](), Transaction.rows

    def rows(tx: Transaction, *asked: Any) -> Any:
        found = plain(tx, *asked)
        read.append(len(found))
        return found

    monkeypatch.setattr(Transaction, "rows", rows)
    assert store.usage()["total"]["responses"] == 30
    assert sum(read) < 5


def test_time_is_when_a_response_was_done(store: EventStore) -> None:
    call = Call().created("resp_1")
    call.ms += 499
    call.done("resp_1", usage={"total_tokens": 7, "input_tokens": 7, "output_tokens": 0})
    store.append("sess", call.frames)
    done = START / 10**6 + 0.501
    assert store.usage(until=f"{done:.6f}")["total"]["total_tokens"] == 0
    assert store.usage(since=f"{done:.6f}")["total"]["total_tokens"] == 7


def test_responses_that_are_not_done_are_not_billed(store: EventStore) -> None:
    store.append("sess", cut_off_call().frames)
    assert store.usage()["total"]["responses"] == 0


@pytest.mark.parametrize(
    "by",
    [
        *("", "week", "metadata", "metadata:", "metadata:" + "k" * 65, "Model"),
        *("metadata:half \ud800", "metadata:nul \0"),
    ],
)
def test_a_bad_grouping_is_told(store: EventStore, by: str) -> None:
    with pytest.raises(InvalidInputError, match="use session, model, day or metadata:KEY"):
        store.usage(by)


def test_a_days_usage_is_that_of_its_hours_in_utc(store: EventStore) -> None:
    # 2023-11-14T22:13:20Z and two hours later.
    for number, ms in enumerate((0, 2 * 3_600_000)):
        call = Call().created("resp_1")
        call.ms += ms
        call.done("resp_1", usage={"input_tokens": 5, "output_tokens": 1})
        store.append(f"sess_{number}", call.frames)
    assert [line["key"] for line in store.usage("day")["data"]] == ["2023-11-14", "2023-11-15"]


# Money


def _spoken(store: EventStore, session_id: str, model: str | None, *usages: Json | None) -> None:
    call = Call().server(
        "session.created", session={"id": "s", **({"model": model} if model else {})}
    )
    for number, usage in enumerate(usages):
        call.created(f"resp_{number}").done(f"resp_{number}", usage=usage)
    store.append(session_id, call.frames)


def _tokens(**parts: int) -> Json:
    text, audio = parts.get("text", 0), parts.get("audio", 0)
    out_text, out_audio = parts.get("out_text", 0), parts.get("out_audio", 0)
    cached = {
        "text_tokens": parts.get("cached_text", 0),
        "audio_tokens": parts.get("cached_audio", 0),
    }
    return {
        "total_tokens": text + audio + out_text + out_audio,
        "input_tokens": text + audio,
        "output_tokens": out_text + out_audio,
        "input_token_details": {
            "text_tokens": text,
            "audio_tokens": audio,
            "cached_tokens": sum(cached.values()),
            "cached_tokens_details": cached,
        },
        "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
    }


@pytest.mark.parametrize("model", ["gpt-realtime", "gpt-realtime-mini", "gpt-4o-realtime-preview"])
def test_each_kind_of_token_has_its_own_price(store: EventStore, model: str) -> None:
    _, known = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    prices: Any = known.prices
    kinds = {
        "text": ({"text": 1000}, prices.input_mtok),
        "audio": ({"audio": 1000}, prices.input_audio_mtok),
        "cached text": ({"text": 1000, "cached_text": 1000}, prices.cache_read_mtok),
        "cached audio": ({"audio": 1000, "cached_audio": 1000}, prices.cache_audio_read_mtok),
        "written": ({"out_text": 1000}, prices.output_mtok),
        "spoken": ({"out_audio": 1000}, prices.output_audio_mtok),
    }
    for name, (tokens, _) in kinds.items():
        _spoken(store, name, model, _tokens(**tokens))
    costs = {line["key"]: line["cost_usd"] for line in store.usage("session")["data"]}
    assert costs == {name: pytest.approx(float(price) / 1000) for name, (_, price) in kinds.items()}
    total = sum(float(price) for _, price in kinds.values()) / 1000
    assert store.usage()["total"]["cost_usd"] == pytest.approx(total)


def test_a_known_price_counts_nothing_as_unknown(store: EventStore) -> None:
    _spoken(store, "sess", "gpt-realtime", _tokens(text=1000, audio=10, out_audio=5))
    assert store.usage()["total"]["unpriced"] == {
        "responses": 0,
        "transcriptions": 0,
        "sessions": 0,
        "models": [],
        "without_usage": 0,
    }


def test_an_unknown_price_is_counted_and_named_and_the_rest_is_priced(store: EventStore) -> None:
    some = _tokens(text=1000)
    _spoken(store, "known", "gpt-realtime", some, None)
    _spoken(store, "unknown", "my-own-model", some, some)
    _spoken(store, "nameless", None, some)
    total = store.usage()["total"]
    assert total["cost_usd"] == pytest.approx(0.004)
    assert total["unpriced"] == {
        "responses": 4,
        "transcriptions": 0,
        "sessions": 0,
        "models": ["gpt-realtime", "my-own-model", "unknown"],
        "without_usage": 1,
        "untold": {"responses": 1, "models": ["gpt-realtime"]},
    }


def test_usage_of_no_tokens_costs_nothing_and_that_is_known(store: EventStore) -> None:
    _spoken(store, "sess", "gpt-realtime", _tokens())
    total = store.usage()["total"]
    assert (total["cost_usd"], total["unpriced"]["responses"]) == (0, 0)


def _transcribed(store: EventStore, session_id: str, model: str, *usages: Json | None) -> None:
    call = Call().server(
        "session.created",
        session={"id": "s", "audio": {"input": {"transcription": {"model": model}}}},
    )
    for number, usage in enumerate(usages):
        call.spoken(f"item_{number}", 0, 10)
        call.transcribed(f"item_{number}", "Hello", **({"usage": usage} if usage else {}))
    store.append(session_id, call.frames)


def test_transcriptions_are_billed_in_tokens_or_in_seconds(store: EventStore) -> None:
    _transcribed(store, "tokens", "gpt-4o-transcribe", {"type": "tokens", **_tokens(audio=1000)})
    _transcribed(store, "seconds", "whisper-1", {"type": "duration", "seconds": 36})
    _transcribed(store, "unknown", "unheard-of", {"type": "duration", "seconds": 1.5})
    lines = {line["key"]: line for line in store.usage("model")["data"]}
    assert {key: (line["transcriptions"], line["responses"]) for key, line in lines.items()} == {
        "gpt-4o-transcribe": (1, 0),
        "whisper-1": (1, 0),
        "unheard-of": (1, 0),
    }
    assert [lines[key]["input_audio"] for key in sorted(lines)] == [1000, 0, 0]
    assert [lines[key]["audio_ms"] for key in sorted(lines)] == [0, 1500, 36_000]
    assert lines["whisper-1"]["cost_usd"] == pytest.approx(0.0036)
    assert lines["gpt-4o-transcribe"]["cost_usd"] == pytest.approx(0.006)
    assert lines["unheard-of"]["unpriced"]["transcriptions"] == 1
    assert lines["unheard-of"]["cost_usd"] is None
    assert store.usage()["total"]["unpriced"]["models"] == ["unheard-of"]


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
def test_what_a_model_bills_in_another_unit_is_not_priced_in_silence(
    store: EventStore, model: str
) -> None:
    usages = ({"type": "tokens", **_tokens(audio=1000)}, {"type": "duration", "seconds": 36})
    for number, usage in enumerate(usages):
        _transcribed(store, f"sess_{number}", model, usage)
    apart = [line["unpriced"] for line in store.usage("session")["data"]]
    total = store.usage()["total"]
    assert total["unpriced"]["transcriptions"] == sum(entry["transcriptions"] for entry in apart)
    costs = [line["cost_usd"] or 0 for line in store.usage("session")["data"]]
    assert total["cost_usd"] == sum(costs)


def test_each_moment_has_its_price(store: EventStore) -> None:
    # o3 became cheaper on 2025-06-10.
    for number, day in enumerate((5, 9, 10, 20)):
        at = int(datetime(2025, 6, day, 12, tzinfo=UTC).timestamp() * 10**6)
        call = Call().server("session.created", session={"id": "s", "model": "o3"})
        call.created("resp_1").done("resp_1", usage=_tokens(text=1000, out_text=100))
        frames = [frame._replace(at=at + place) for place, frame in enumerate(call.frames)]
        store.append(f"sess_{number}", frames)
    apart = [line["cost_usd"] for line in store.usage("session")["data"]]
    assert len(set(apart)) == 2
    assert store.usage()["total"]["cost_usd"] == pytest.approx(sum(apart))
    assert store.usage("model")["data"][0]["cost_usd"] == pytest.approx(sum(apart))


# The same, of one session


@pytest.mark.parametrize("call", [voice_call, beta_tool_call, cut_off_call])
def test_what_show_says_is_what_usage_of_the_session_says(store: EventStore, call: Any) -> None:
    store.append("sess", call().frames)
    store.append("other", voice_call().frames)
    shown, asked = store.state("sess")["usage"], store.usage(session="sess")["total"]
    assert shown.pop("cost_usd") == pytest.approx(asked.pop("cost_usd"))
    assert shown == asked


@each_recording
def test_a_recordings_usage_is_the_sum_of_its_responses(store: EventStore, recording: Any) -> None:
    (only,) = store.import_file(recording)
    total = store.usage()["total"]
    responses = [r for r in store.responses(limit=100).data if r["eventstore"]["finished"]]
    assert total["responses"] == len(responses)
    assert total == store.state(only.session_id)["usage"]
    tokens = sum((r["usage"] or {}).get("total_tokens", 0) for r in responses)
    assert total["total_tokens"] >= tokens
    assert total["transcriptions"] or total["total_tokens"] == tokens


def test_moments_reach_beyond_the_calls(store: EventStore) -> None:
    entries = billed(recorded(store))

    @given(at=moments())
    @examples(20)
    def check(at: str) -> None:
        before, after = (store.usage(**{bound: at})["total"] for bound in ("until", "since"))
        assert before["responses"] + after["responses"] == store.usage()["total"]["responses"]
        assert before["transcriptions"] == sum(
            entry.kind == "transcriptions" and entry.at < round(float(at) * 10**6)
            for entry in entries
        )

    check()
