"""Unit: a price is what genai-prices says of the same usage, or it is unknown. Of every model."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from genai_prices import Usage, data_snapshot
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.pricing.prices import Prices
from eventstore.pricing.rates import Cost
from eventstore.projection.views.usage import Tokens, read_usage
from eventstore.realtime.values import mapping
from eventstore.times import DAY_US

Json = dict[str, Any]

#: What each kind of token is priced by; one kind's price is none of another's.
INPUTS = {"text": "input_mtok", "audio": "input_audio_mtok", "image": "input_image_mtok"}
CACHED = {
    "text": "cache_read_mtok",
    "audio": "cache_audio_read_mtok",
    "image": "cache_image_read_mtok",
}
OUTPUTS = {"text": "output_mtok", "audio": "output_audio_mtok"}
DURATIONS = ("audio_hours", "input_audio_hours", "output_audio_hours")
NOW = 1_790_000_000
PRICES = Prices()


@cache
def names() -> list[str]:
    """The names of all models that genai-prices finds by their own name."""
    snapshot = data_snapshot.get_snapshot()
    found = []
    for name in sorted({model.id for provider in snapshot.providers for model in provider.models}):
        try:
            snapshot.find_provider_model(name, None, None, None)
        except LookupError:
            continue
        found.append(name)
    return found


def usage_of(
    inputs: Json, cached: Json | None = None, outputs: Json | None = None, **more: Any
) -> Json:
    """A usage object that tells everything."""
    cached, outputs = cached or {}, outputs or {}
    input_, output = sum(inputs.values()), sum(outputs.values())
    return {
        "total_tokens": input_ + output,
        "input_tokens": input_,
        "output_tokens": output,
        "input_token_details": {
            **{f"{kind}_tokens": number for kind, number in inputs.items()},
            "cached_tokens": sum(cached.values()),
            "cached_tokens_details": {f"{k}_tokens": number for k, number in cached.items()},
        },
        "output_token_details": {f"{kind}_tokens": number for kind, number in outputs.items()},
        **more,
    }


def price_of(model: str, at: int) -> Any:
    """The price of a model at a time, as genai-prices keeps it."""
    _, known = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    return known.get_prices(datetime.fromtimestamp(at, UTC))


def asked(model: str, usage: Json, at: int) -> Decimal:
    """What genai-prices calculates."""
    inputs, cached, outputs = parts(usage)
    seconds = usage.get("seconds") or 0
    given = Usage(
        input_tokens=sum(inputs.values()),
        input_text_tokens=inputs["text"],
        input_audio_tokens=inputs["audio"],
        input_image_tokens=inputs["image"],
        cache_read_tokens=sum(cached.values()),
        cache_text_read_tokens=cached["text"],
        cache_audio_read_tokens=cached["audio"],
        cache_image_read_tokens=cached["image"],
        output_tokens=sum(outputs.values()),
        output_text_tokens=outputs["text"],
        output_audio_tokens=outputs["audio"],
        audio_seconds=seconds,
        input_audio_seconds=seconds,
    )
    provider, known = data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    moment = datetime.fromtimestamp(at, UTC)
    total: Decimal = known.calc_price(given, provider, genai_request_timestamp=moment).total_price
    return total


def parts(usage: Json) -> tuple[Json, Json, Json]:
    """The tokens of a whole usage object by kind: input, cached, output."""
    details = mapping(usage.get("input_token_details"))
    split = mapping(details.get("cached_tokens_details"))
    written = mapping(usage.get("output_token_details"))
    return (
        {kind: details.get(f"{kind}_tokens") or 0 for kind in INPUTS},
        {kind: split.get(f"{kind}_tokens") or 0 for kind in CACHED},
        {kind: written.get(f"{kind}_tokens") or 0 for kind in OUTPUTS},
    )


def cost(model: str, usage: Json, at: int = NOW) -> Cost:
    """What we say that it costs."""
    return PRICES.cost(model, *read_usage(usage), at * 1_000_000)


def has_all_prices(model: str, usage: Json, at: int) -> bool:
    """Whether the model has a price of its own for each kind that was used."""
    price = price_of(model, at)
    kinds = [
        key
        for used, keys in zip(parts(usage), (INPUTS, CACHED, OUTPUTS), strict=True)
        for kind, key in keys.items()
        if used[kind]
    ]
    by_token = any(getattr(price, key) for key in (*INPUTS.values(), *OUTPUTS.values()))
    by_time = any(getattr(price, key) for key in DURATIONS)
    if by_token and any(not getattr(price, key) for key in kinds):
        return False
    if by_token and "input_tokens" not in usage:
        return False
    return (by_token or by_time) and (not by_time or "seconds" in usage)


WHOLE = {
    "text": usage_of({"text": 1000}, None, {"text": 100}),
    "speech": usage_of({"text": 300, "audio": 700}, None, {"text": 40, "audio": 60}),
    "image": usage_of({"text": 106, "image": 194}, None, {"text": 40}),
    "cached": usage_of({"text": 900, "audio": 90}, {"text": 800, "audio": 64}, {"audio": 60}),
    "cached image": usage_of({"text": 9, "image": 90}, {"image": 64}, {"text": 6}),
    "duration": {"type": "duration", "seconds": 36},
    "both": usage_of({"audio": 10}, None, {"audio": 60}, seconds=36),
}


@pytest.mark.parametrize("shape", WHOLE)
def test_of_every_model_a_price_is_right_or_unknown(shape: str) -> None:
    usage = WHOLE[shape]
    known = 0
    for model in names():
        usd = cost(model, usage).usd
        if usd is not None:
            known += 1
            assert usd > 0, model
            assert float(usd) == pytest.approx(float(asked(model, usage, NOW))), model
            assert has_all_prices(model, usage, NOW), model
    assert known >= (1 if shape == "cached image" else 3)


WITHOUT = {
    "no details": {"input_tokens": 600, "output_tokens": 400, "total_tokens": 1000},
    "no input details": {
        key: value for key, value in WHOLE["speech"].items() if key != "input_token_details"
    },
    "no output details": {
        key: value for key, value in WHOLE["speech"].items() if key != "output_token_details"
    },
    "details of another type": {**WHOLE["speech"], "input_token_details": "text"},
    "part of the details": {**WHOLE["speech"], "input_token_details": {"text_tokens": 300}},
    "cached ones not split": {
        **WHOLE["speech"],
        "input_token_details": {"text_tokens": 300, "audio_tokens": 700, "cached_tokens": 64},
    },
    "a sum that is none": {**WHOLE["speech"], "total_tokens": 7},
    "more kinds than tokens": {**WHOLE["speech"], "input_tokens": 999},
    "more cached than tokens": usage_of({"text": 10, "audio": 5}, {"text": 11}, {"text": 1}),
    "text for a number": {**WHOLE["speech"], "input_tokens": "1000"},
    "a detail that is no number": {**WHOLE["speech"], "output_token_details": {"text_tokens": []}},
    "a negative number": {**WHOLE["speech"], "output_tokens": -100},
    "no output": {key: value for key, value in WHOLE["speech"].items() if key != "output_tokens"},
    "a null": {**WHOLE["speech"], "input_tokens": None},
    "a boolean": {**WHOLE["speech"], "output_tokens": True},
    "half a token": {**WHOLE["speech"], "output_tokens": 100.5},
    "too many": {**WHOLE["speech"], "input_tokens": 10**13, "total_tokens": 10**13 + 100},
    "a length that is none": {"type": "duration", "seconds": "36"},
    "a negative length": {"type": "duration", "seconds": -36},
    "an endless length": {"type": "duration", "seconds": 1e300},
    "other words": {"prompt_tokens": 10, "completion_tokens": 5},
    "nothing": {},
}


@pytest.mark.parametrize("shape", WITHOUT)
def test_of_no_model_is_a_price_made_of_usage_that_does_not_tell_it(shape: str) -> None:
    usage = WITHOUT[shape]
    assert [model for model in names() if cost(model, usage).usd is not None] == []


def test_what_is_not_told_apart_is_within_limits() -> None:
    found = cost("gpt-realtime", WITHOUT["no details"])
    assert found.between is not None
    assert [float(limit) for limit in found.between] == [0.0088, 0.0448]


_COUNT = st.integers(0, 2_000) | st.integers(0, 300_000)
_ODD = st.sampled_from([None, -1, "7", 1.5, True, [], {}, 10**13, float("1e300")])


@st.composite
def whole_usages(draw: st.DrawFn) -> Json:
    """Usage objects that tell everything."""
    inputs = {kind: draw(st.just(0) | _COUNT) for kind in INPUTS}
    cached = {kind: draw(st.integers(0, number)) for kind, number in inputs.items()}
    outputs = {kind: draw(st.just(0) | _COUNT) for kind in OUTPUTS}
    made = usage_of(inputs, draw(st.sampled_from([{}, cached])), outputs)
    if draw(st.integers(1, 4)) == 4:
        made["seconds"] = draw(st.integers(0, 10_000))
    return made


@st.composite
def damaged_usages(draw: st.DrawFn) -> Json:
    """Usage objects of which one number is another, is none, or is missing."""
    made = draw(whole_usages())
    inner = draw(st.sampled_from(["", "input_token_details", "output_token_details"]))
    part = made[inner] if inner else made
    key = draw(st.sampled_from(sorted(part)))
    if draw(st.booleans()):
        del part[key]
    else:
        part[key] = draw(_ODD | st.integers(0, 100))
    return made


@given(
    st.sampled_from(["gpt-realtime", "gpt-4o", "whisper-1", "grok-voice-latest", "o3"])
    | st.deferred(lambda: st.sampled_from(names())),
    whole_usages(),
    st.integers(1_600_000_000, 1_800_000_000),
)
@examples(400)
def test_whole_usage_costs_what_genai_prices_says(model: str, usage: Json, at: int) -> None:
    found = cost(model, usage, at)
    assert found.between is None
    if found.usd is not None:
        assert float(found.usd) == pytest.approx(float(asked(model, usage, at)))


@given(st.deferred(lambda: st.sampled_from(names())), damaged_usages())
@examples(400)
def test_damaged_usage_costs_no_other_amount(model: str, usage: Json) -> None:
    found = cost(model, usage)
    if found.usd is None:
        return
    # Nothing that has a price can be missing: what is told adds up, or the model is paid by time.
    price = price_of(model, NOW)
    if any(getattr(price, key) for key in (*INPUTS.values(), *OUTPUTS.values())):
        inputs, cached, outputs = parts(usage)
        assert usage["input_tokens"] == sum(inputs.values())
        assert usage["output_tokens"] == sum(outputs.values())
        assert all(cached[kind] <= inputs[kind] for kind in INPUTS)
    if any(getattr(price, key) for key in DURATIONS):
        assert "seconds" in usage


@given(
    st.deferred(lambda: st.sampled_from(names())),
    st.lists(whole_usages() | damaged_usages(), min_size=2, max_size=4),
)
@examples(200)
def test_a_sum_costs_what_its_parts_cost(model: str, usages: list[Json]) -> None:
    read = [read_usage(usage) for usage in usages]
    alike = [one for one in read if one.reported == read[0].reported]
    summed = Tokens(*map(sum, zip(*(one.tokens for one in alike), strict=True)))
    together = PRICES.cost(model, summed, read[0].reported, NOW * 10**6).usd
    apart = [PRICES.cost(model, *one, NOW * 10**6).usd for one in alike]
    if together is not None:
        assert None not in apart
        assert float(together) == pytest.approx(float(sum(usd or 0 for usd in apart)))


def test_models_of_realtime_servers_have_prices() -> None:
    for model in ("gpt-realtime", "gpt-realtime-mini", "gpt-realtime-2", "gpt-4o-realtime-preview"):
        assert cost(model, WHOLE["cached"]).usd is not None, model
    assert cost("gpt-4o-mini-transcribe", WHOLE["text"]).usd is not None
    assert cost("gpt-realtime-translate", {"seconds": 3600}).usd == Decimal("2.04")


@pytest.mark.parametrize("model", ["deepseek-chat", "sonar"])
def test_a_price_by_the_time_of_day_or_by_the_request_is_none(model: str) -> None:
    assert cost(model, WHOLE["text"]) == Cost(None)


def test_audio_has_no_price_where_the_model_has_none() -> None:
    assert cost("gpt-4o", WHOLE["text"]).usd is not None
    assert cost("gpt-4o", WHOLE["speech"]) == Cost(None)


def test_no_usage_of_a_known_model_costs_nothing() -> None:
    assert cost("gpt-realtime", usage_of({"text": 0})).usd == 0
    assert cost("whisper-1", {"seconds": 0}).usd == 0
    assert cost("unheard-of", usage_of({"text": 0})).usd is None


def test_many_small_responses_reach_no_tier_and_one_that_may_have_is_unknown() -> None:
    small, large = (usage_of({"text": size}, None, {"text": 10}) for size in (1000, 300_000))
    one = cost("gpt-5.4", small).usd
    assert one is not None
    tokens, reported = read_usage(small)
    summed = Tokens(*(1000 * number for number in tokens))
    assert PRICES.cost("gpt-5.4", summed, reported, NOW * 10**6).usd == 1000 * one
    assert asked("gpt-5.4", large, NOW) > 300 * one
    assert cost("gpt-5.4", large) == Cost(None)


def test_the_first_snapshot_keeps_its_price() -> None:
    usage = usage_of({"text": 1208, "audio": 4180}, None, {"text": 52, "audio": 188})
    assert cost("gpt-4o-realtime-preview-2024-10-01", usage).usd == Decimal("0.46268")
    october, december = (
        int(datetime(2024, *day, tzinfo=UTC).timestamp()) for day in ((10, 5), (12, 17))
    )
    assert cost("gpt-4o-realtime-preview", usage, october).usd == Decimal("0.46268")
    later = cost("gpt-4o-realtime-preview-2024-12-17", usage).usd
    assert cost("gpt-4o-realtime-preview", usage, december).usd == later == Decimal("0.18932")


def test_a_day_has_one_price() -> None:
    boundaries = PRICES.boundaries(names())
    assert boundaries and all(at % DAY_US == 0 for at in boundaries)
