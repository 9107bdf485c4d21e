"""Unit: a file of prices is taken as it is meant, or refused with its name and the key."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from eventstore import InvalidInputError
from eventstore.pricing.price_file import PriceFile, parse_prices, read_prices
from eventstore.pricing.prices import Prices
from eventstore.pricing.rates import ModelRates
from eventstore.projection.views.usage import Reported, Tokens
from eventstore.times import DAY_US

FILE = """
[[price]]
model = "my-*"
from = 2026-01-01
until = 2026-07-01
input_text = 4
input_audio = 32.5
cached_audio = 0.4

[[price]]
model = "my-voice"
per_minute = 0.05

[deployments]
"Swedish-Voice" = "gpt-realtime"
"""


def at(*day: int) -> int:
    """A day's beginning, in microseconds since 1970."""
    return (date(*day) - date(1970, 1, 1)).days * DAY_US


def test_the_first_rule_that_fits_holds_and_is_the_whole_price() -> None:
    prices = Prices(parse_prices(FILE))
    first = ModelRates(
        input_text=Decimal("0.000004"),
        input_audio=Decimal("0.0000325"),
        cached_audio=Decimal("0.0000004"),
    )
    assert prices.rates("my-voice", at(2026, 1, 1)) == first
    assert prices.rates("MY-other", at(2026, 7, 1) - 1) == first
    by_time = ModelRates(hour=Decimal("3.00"))
    assert prices.rates("my-voice", at(2026, 7, 1)) == by_time
    assert prices.rates("my-voice", at(2026, 1, 1) - 1) == by_time
    assert prices.rates("my-other", at(2026, 7, 1)) is None


def test_a_deployment_has_the_price_of_its_model() -> None:
    prices = Prices(parse_prices(FILE))
    now = at(2026, 5, 1)
    assert prices.rates("swedish-voice", now) == Prices().rates("gpt-realtime", now) is not None


def test_a_users_price_goes_before_the_published_one() -> None:
    own = Prices(parse_prices('[[price]]\nmodel = "gpt-realtime"\nper_second = 0.001'))
    assert own.rates("gpt-realtime", 0) == ModelRates(hour=Decimal("3.600"))
    assert own.rates("gpt-realtime-mini", 0) == Prices().rates("gpt-realtime-mini", 0)


def test_rules_for_a_deployment_go_before_those_for_its_model() -> None:
    text = (
        '[[price]]\nmodel = "real"\nper_minute = 1\n'
        '[[price]]\nmodel = "mine"\nper_minute = 2\n'
        '[deployments]\nmine = "real"\nother = "real"'
    )
    prices = Prices(parse_prices(text))
    hours = {name: prices.rates(name, 0) for name in ("mine", "other", "real")}
    assert {name: rates.hour for name, rates in hours.items() if rates} == {
        "mine": 120,
        "other": 60,
        "real": 60,
    }


def test_prices_change_at_the_midnights_of_the_file() -> None:
    prices = Prices(parse_prices(FILE))
    assert prices.boundaries(["my-voice"]) == [at(2026, 1, 1), at(2026, 7, 1)]
    assert prices.boundaries(["other"]) == []


def test_the_example_of_the_docs_is_a_list_of_prices() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "prices.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    found = parse_prices(example)
    assert len(found.price) == 5 and found.deployments


def test_a_price_of_nothing_is_a_price() -> None:
    prices = Prices(parse_prices('[[price]]\nmodel = "own"\ninput_text = 0\noutput_text = 0'))
    tokens = Tokens(input_tokens=5, input_text=5, total_tokens=5)
    assert prices.cost("own", tokens, Reported.TOKENS, 0).usd == 0
    spoken = Tokens(input_tokens=5, input_audio=5, total_tokens=5)
    assert prices.cost("own", spoken, Reported.TOKENS, 0).usd is None


RULE = '[[price]]\nmodel = "m"\n'
BAD = {
    "[[price]\n": "no TOML",
    "price = 4": "price: ",
    "[[price]]\ninput_text = 4": "price 1 model: ",
    '[[price]]\nmodel = ""\ninput_text = 4': "price 1 model: ",
    RULE: "price 1: no price is given; use input_text, ",
    RULE + 'input_text = "4"': "price 1 input_text: write a number of US dollars",
    RULE + "input_text = true": "price 1 input_text: ",
    RULE + "input_text = -1": "price 1 input_text: write a number of US dollars from 0",
    RULE + "input_text = nan": "price 1 input_text: ",
    RULE + "input_text = inf": "price 1 input_text: ",
    RULE + "input_text = 1e99": "price 1 input_text: ",
    RULE + "input_txt = 1": "price 1 input_txt: no such key; there are model, from, until, ",
    RULE + "per_minute = 1\nper_second = 1": "price 1: give per_second or per_minute, not both",
    RULE + "per_minute = 1\nfrom = 2026-01-01T12:00:00Z": "price 1 from: write a day",
    RULE + 'per_minute = 1\nfrom = "2026-01-01"': "price 1 from: write a day",
    RULE + "per_minute = 1\nfrom = 2026-01-02\nuntil = 2026-01-02": "price 1: until must be",
    RULE + "per_minute = 1\n" + RULE + "per_minute = []": "price 2 per_minute: ",
    "[prices]\na = 1": "prices: no such key; there are price, deployments",
    "[deployments]\na = 1": "deployments a: ",
    '[deployments]\na = ""': "deployments a: ",
    '[deployments]\na = "b"\nb = "c"': "deployments: a must name a model, not a deployment",
    (RULE + "per_minute = 1\n") * 2001: "price: Tuple should have at most 2000 items",
    "a = " + "[" * 5000: "",
    "a = " + "9" * 5000: "",
    "# " + "x" * 1024 * 1024: "larger than 1 MiB",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_wrong_is_told_with_the_file_and_the_key(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as told:
        read_prices(path)
    said = str(told.value)
    assert said.startswith(f"the prices of {path}: ") and BAD[text] in said
    assert "\n" not in said and len(said) < 400 + len(str(path))


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_told(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=r"prices\.toml"):
        read_prices(path)
    with pytest.raises(InvalidInputError, match="cannot read the prices of"):
        read_prices(tmp_path)


_WORDS = st.sampled_from(
    [
        *("[[price]]", "[price]", "[deployments]", "model", "from", "input_text", "per_minute"),
        *("=", '"a*"', '"["', "4", "-1", "nan", "1e400", "1e-400", "2026-01-01", "\n", "[", "{"),
    ]
)


@given(st.lists(_WORDS, max_size=30).map(" ".join) | st.text(max_size=60))
@examples(300)
def test_any_text_is_a_list_of_prices_or_refused_in_a_line(text: str) -> None:
    try:
        found = parse_prices(text)
    except ValueError:
        return
    assert isinstance(found, PriceFile)
    Prices(found).rates("a", 0)
