"""Unit: a price is what genai-prices says of the same usage, however it is found."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from genai_prices import Usage, calc_price, data_snapshot
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore.projection.usage import Tokens
from eventstore.store.day_tables import DAY
from eventstore.store.pricing import price_boundaries, price_usd

#: Linear prices, ones by seconds, in tiers, by the time of day, and by the request.
MODELS = (
    *("gpt-realtime", "gpt-realtime-mini", "gpt-4o-realtime-preview", "gpt-4o-transcribe"),
    *("whisper-1", "gpt-5.4", "gemini-2.5-pro", "deepseek-chat", "o3", "sonar"),
)
COUNT = st.integers(0, 10**7)


def priced(model: str, tokens: Tokens, at: int) -> Decimal | None:
    """What genai-prices says, asked as plainly as can be."""
    usage = Usage(
        input_tokens=tokens.input_tokens,
        input_audio_tokens=tokens.input_audio,
        input_image_tokens=tokens.input_image,
        cache_read_tokens=max(
            tokens.cached_tokens, tokens.cached_text + tokens.cached_audio + tokens.cached_image
        ),
        cache_audio_read_tokens=tokens.cached_audio,
        cache_image_read_tokens=tokens.cached_image,
        output_tokens=tokens.output_tokens,
        output_audio_tokens=tokens.output_audio,
    )
    moment = datetime.fromtimestamp(at / 10**6, tz=UTC)
    try:
        return calc_price(usage, model, genai_request_timestamp=moment).total_price or None
    except (LookupError, ValueError):
        return None


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    """Tokens that mostly agree with each other."""
    text, audio, image, written, spoken = (draw(st.just(0) | COUNT) for _ in range(5))
    cached_text, cached_audio, cached_image = (
        draw(st.integers(0, whole)) for whole in (text, audio, image)
    )
    made = Tokens(
        input_tokens=text + audio + image,
        input_text=text,
        input_audio=audio,
        input_image=image,
        cached_tokens=cached_text + cached_audio + cached_image,
        cached_text=cached_text,
        cached_audio=cached_audio,
        cached_image=cached_image,
        output_tokens=written + spoken,
        output_text=written,
        output_audio=spoken,
    )
    if draw(st.integers(1, 6)) == 6:
        name = draw(st.sampled_from(("input_tokens", "input_audio", "cached_tokens")))
        made = made._replace(**{name: draw(COUNT)})
    return made


@given(tokens(), st.sampled_from(MODELS), st.integers(1_600_000_000, 1_800_000_000))
@examples(400)
def test_a_price_is_what_genai_prices_says(tokens: Tokens, model: str, second: int) -> None:
    expected = priced(model, tokens, second * 10**6)
    if not tokens.input_tokens and not tokens.output_tokens:
        expected = Decimal(0) if known(model) else None
    assert price_usd(model, tokens, second * 10**6) == expected


def known(model: str) -> bool:
    try:
        data_snapshot.get_snapshot().find_provider_model(model, None, None, None)
    except LookupError:
        return False
    return True


def test_a_day_has_one_price() -> None:
    names = [m.id for p in data_snapshot.get_snapshot().providers for m in p.models]
    boundaries = price_boundaries(names)
    assert boundaries and all(at % DAY == 0 for at in boundaries)
