"""Integration: search in what was said, with the same answers on either database."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.calls import beta_tool_call, voice_call
from support.events import Call, message, text_part
from support.examples import examples
from support.query_calls import (
    SENTENCES,
    everything,
    holds,
    recorded,
)
from support.searching import matches, say, sessions
from support.word_limits import word_limits

from eventstore import EventStore, InvalidInputError
from eventstore.store.filters.search import parse_terms
from eventstore.store.readmodels.words.search_tokens import Term
from eventstore.store.readmodels.words.searched_text import Searched


def word(*tokens: str) -> Term:
    """What is looked for where nothing is a prefix."""
    return Term(list(tokens), prefix=False)


# Unit: queries and snippets


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("order", [word("order")]),
        ("my  Order", [word("my"), word("order")]),
        ('"my order" late', [word("my", "order"), word("late")]),
        ("ord*", [Term(["ord"], prefix=True)]),
        ('"ord*"', [word("ord")]),
        ('"my order', [word("my"), word("order")]),
        ('or"der', [word("order")]),
        ("- order ?", [word("order")]),
        ("e-mail", [word("e", "mail")]),
        ("a\0b", [word("a"), word("b")]),
        ("天気", [word("天気")]),
        ("天気は", [word("天気", "気は")]),
        ("傘", [Term(["傘"], prefix=True)]),
        ("天気*", [word("天気")]),
        ("天気 x", [word("天気"), word("x")]),
        ('"天気 x"', [word("天気", "気", "x")]),
        ('"x 天気"', [word("x", "天気")]),
        ("15を買", [word("15", "を買")]),
    ],
)
def test_a_query_is_words_phrases_and_prefixes(query: str, terms: list[Term]) -> None:
    assert parse_terms(query) == terms


@pytest.mark.parametrize("query", ["", " ", "*", '""', "?!", "_*", "-_*", "__", "\0", "😀", '"…"'])
def test_a_query_without_a_word_is_told(query: str) -> None:
    with pytest.raises(InvalidInputError, match="names no word"):
        parse_terms(query)


@pytest.mark.parametrize(
    ("said", "query", "shown"),
    [
        ("Where is my order?", "order", "Where is my [order]?"),
        ("Where is my order?", "ORDER", "Where is my [order]?"),
        ("Where is my order?", '"is my"', "Where [is my] order?"),
        ("Where is my order?", "ord*", "Where is my [order]?"),
        ("Where is my order?", "order where", "[Where] is my order?"),
        ("is my, er, order", '"my er"', "is [my, er], order"),
        ("reorder", "order", None),
        ("orders", "order", None),
        ("a" * 80 + " order " + "b" * 80, "order", f"…{'a' * 59} [order] {'b' * 59}…"),
    ],
)
def test_a_snippet_shows_the_first_match_in_brackets(
    said: str, query: str, shown: str | None
) -> None:
    assert Searched(said).snippet(parse_terms(query)) == shown


@given(said=st.text(max_size=200), query=st.text(max_size=20))
@examples(200)
def test_a_snippet_never_fails(said: str, query: str) -> None:
    try:
        terms = parse_terms(query)
    except InvalidInputError:
        return
    shown = Searched(said).snippet(terms)
    assert shown is None or "[" in shown


# Integration: what is found


def test_answers_and_what_they_answer_are_searched(store: EventStore) -> None:
    store.append("voice", voice_call().frames)
    store.append("tools", beta_tool_call().frames)
    assert matches(store, "sunny oslo today") == ["It is [sunny] in Oslo today"]
    # The question, which the response answers; and who said it.
    page = store.responses(text="how weather")
    assert [entry["id"] for entry in page.data] == ["resp_1"]
    assert page.data[0]["eventstore"]["match"] == [
        {"item_id": "item_1", "role": "user", "text": "Hi, [how] is the weather?"}
    ]
    assert sessions(store, "sunny") == {"voice", "tools"}


def test_what_was_generated_is_found_though_nobody_heard_it(store: EventStore) -> None:
    store.append("voice", voice_call().truncated("item_2", 100).frames)
    assert matches(store, "oslo today") == ["It is sunny in [Oslo] today"]


def test_what_was_said_instead_is_searched(store: EventStore) -> None:
    call = voice_call()
    store.append("voice", call.frames)
    store.append("voice", Call().transcribed("item_1", "Bye, is it raining?").frames)
    assert matches(store, "how weather") == []
    assert matches(store, "raining") == ["Bye, is it [raining]?"]
    store.rebuild().raise_for_errors()
    assert matches(store, "how weather") == []
    assert matches(store, "raining") == ["Bye, is it [raining]?"]


def test_all_words_must_be_in_one_turn(store: EventStore) -> None:
    store.append("voice", voice_call().frames)
    assert sessions(store, "sunny weather") == set()


def test_without_a_search_there_is_no_match(store: EventStore) -> None:
    say(store, "Where is my order?")
    assert "match" not in store.responses().data[0]["eventstore"]


def test_deltas_of_a_closed_session_are_searched(store: EventStore) -> None:
    call = Call().created("resp_1").begins_speech("resp_1", "item_1")
    call.says("resp_1", "item_1", "Where is", " my order").store("closed")
    store.append("sess", call.frames)
    assert matches(store, '"is my order"') == ["Where [is my order]"]


QUERIES = (
    *("order", "ORDER", "monday", "möchte", "my order", "order my", "sunday closed"),
    *('"my order"', '"order my"', '"on sunday we"', '"nine on"', "sun*", "mon* or", "o*", "fahr*"),
    *('"order is" way', "bicycle saddle broken", "unheard", "unheard*", '"order" "arrives"'),
)


@word_limits
def test_words_phrases_and_prefixes_find_what_plain_python_finds(
    store: EventStore, limits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():  # as if all were said often, and very often
        monkeypatch.setattr(f"eventstore.store.filters.sql_conditions.{name}", limit)
    known = everything(recorded(store))
    for query in QUERIES:
        page = store.responses(text=query, limit=100)
        found = {(entry["eventstore"]["session_id"], entry["id"]) for entry in page.data}
        wanted = {(k.session_id, k.id) for k in known if holds(k, {"text": query})}
        assert (query, found) == (query, wanted)
        assert all(entry["eventstore"]["match"] for entry in page.data)


def test_a_match_is_one_of_the_things_that_were_said(store: EventStore) -> None:
    recorded(store)
    shown = {match.replace("[", "").replace("]", "") for match in matches(store, "order")}
    assert shown and shown <= {text for text in SENTENCES if "order" in text}


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("naïve café", "café"),
        ("naïve café", "Café"),
        ("it's a well-known e-mail", "well-known"),
        ("it's a well-known e-mail", "known"),
        ("don't do it", "don't"),
        ("at 12:30 o'clock", "30"),
        ("costs 3,50", "50"),
        ("number 4417", "44*"),
        ("日本語のテキスト", "日本*"),
        ("Straße", ["STRASSE", "Straße"][1]),
        ("e\u0301te\u0301", "e\u0301te\u0301"),
        ("٣٤", "٣٤"),
        ("see <b>bold</b> text", "bold"),
        ("[red]markup[/red]", "markup"),
        ("100% sure", "100"),
        ("C:\\temp\\x", "temp"),
        ("call 555-1234 now", "1234"),
        ("call 555-1234 now", "555-1234"),
        ("see shop.example.com/cart", "example"),
        ("see shop.example.com/cart", "shop.example.com"),
        ("see /var/log/app", "log"),
        ("mail to ann@example.com", "example"),
        ("it was -7 or +8.5", "7"),
        ("a snake_case name", "case"),
        ("rock&roll", "roll"),
        ("well-known", "well-kn*"),
    ],
)
def test_words_are_found_within_signs(store: EventStore, said: str, query: str) -> None:
    say(store, said)
    assert len(matches(store, query)) == 1
    assert "[" in matches(store, query)[0]


@pytest.mark.parametrize(
    ("said", "query"),
    [("Ich möchte", "MÖCHTE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("МОСКВА", "москва"), ("É", "é")],
)
def test_case_is_of_no_matter_in_any_script(store: EventStore, said: str, query: str) -> None:
    say(store, said)
    assert len(matches(store, query)) == 1


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Call me at 555-1234 today", "1234"),
        ("tel: +49-30-123", "30"),
        ("order no.4417", "4417"),
        ("minus -5 degrees", "5"),
        ("costs $3.50 each", "50"),
        ("On Monday.And on Sunday", "sunday monday and"),
        ("visit example.com now", "example"),
        ("write to joe@example.com", "joe"),
        ("either/or", "or"),
        ("see <b>bold</b> text", "b"),
        ("red&amp;blue", "amp"),
    ],
)
def test_words_are_found_whatever_joins_them(store: EventStore, said: str, query: str) -> None:
    say(store, said)
    assert len(matches(store, query)) == 1


def test_words_are_found_beside_signs_beyond_ascii(store: EventStore) -> None:
    say(store, "a😀b")
    assert len(matches(store, "b")) == 1


def test_a_match_is_shown_within_underscores(store: EventStore) -> None:
    say(store, "the find_order tool")
    assert matches(store, "order") == ["the find_[order] tool"]


def test_accents_tell_words_apart(store: EventStore) -> None:
    say(store, "naïve café")
    assert matches(store, "cafe") == []


# Hostile queries

SYNTAX = (
    *(
        '"',
        '""',
        '"a',
        'a"',
        "'",
        "''",
        "a'b",
        "\\",
        "a\\",
        "\\'",
        "a\\'b*",
        "*",
        "**",
        "a*b",
        "*a",
    ),
    *("(", ")", "(a)", "a)", "^a", "-a", "+a", "a:b", "said:a", "text : a", "{a b}", "NEAR(a b)"),
    *("a NEAR b", "AND", "OR", "NOT", "a AND", "NOT a", "a OR b", "a AND NOT b", "NEAR", "a,b"),
    *("a & b", "a | b", "!a", "a <-> b", "a:*", "a:A", "a:ABCD*", "a&", "|", "a <2> b", "'a':*"),
    *("%", "_", "a%", "?", "$1", "%s", "%%", "{}", "{0}", ";", "--", "/*", "a;DROP TABLE events"),
    *(
        "' OR 1=1 --",
        '" OR 1=1 --',
        "x') OR 1=1 --",
        "\n",
        "a\nb",
        "\t",
        "a\0b",
        "\ufeff",
        "\u202ea",
    ),
    *("a" * 10_000, "a " * 500, '"' + "a " * 500 + '"', "a*" * 300, "😀 a", "a\u0301", "é" * 300),
)


@pytest.mark.parametrize("said", ["a", "NEAR AND OR NOT said text", "x"])
def test_syntax_of_search_engines_is_just_text(store: EventStore, said: str) -> None:
    say(store, said)
    for query in SYNTAX:
        try:
            found = sessions(store, query)
        except InvalidInputError:
            continue
        assert found <= {"sess"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("OR", {"or"}),
        ("AND", {"and"}),
        ("NOT", set()),
        ("tea OR coffee", {"or"}),
        ("tea AND coffee", {"and"}),
        ("tea NOT coffee", set()),
        ("NEAR(tea coffee)", set()),
        ("-tea coffee", {"or", "and"}),
        ("text:tea", set()),
        ("tea:*", {"or", "and"}),
        ("!tea", {"or", "and"}),
        ("tea|coffee", set()),
        ("(tea)", {"or", "and"}),
        ("^tea", {"or", "and"}),
        ("t%", set()),
        ("t_a", set()),
        ("'tea'", {"or", "and"}),
        ('"tea or"', {"or"}),
        ('tea" or', {"or"}),
    ],
)
def test_operators_are_words_like_others(store: EventStore, query: str, found: set[str]) -> None:
    say(store, "tea or coffee", "or")
    say(store, "tea and coffee", "and")
    assert sessions(store, query) == found


def test_no_query_does_more_than_find_or_be_refused(store: EventStore) -> None:
    say(store, "Where is my order?")

    @given(query=st.text(max_size=40) | st.lists(st.sampled_from(SYNTAX), max_size=4).map(" ".join))
    @examples(250)
    def check(query: str) -> None:
        with suppress(InvalidInputError):
            assert sessions(store, query) <= {"sess"}

    check()
    assert sessions(store, "order") == {"sess"}


def test_what_is_said_may_hold_anything(store: EventStore) -> None:
    @given(said=st.text(st.characters(exclude_categories=()), max_size=60))
    @examples(60)
    def check(said: str) -> None:
        item = message("item_1", "assistant", text_part(f"needle {said}"))
        store.append("sess", Call().created("resp_1").done("resp_1", output=[item]).frames)

    check()
    item = message("item_2", "assistant", text_part("needle \0 \ud83d x"))
    call = Call().created("resp_2")
    call.server("response.output_item.done", response_id="resp_2", item=item)
    store.append("sess", call.done("resp_2", output=[item]).frames)
    assert [entry["id"] for entry in store.responses(text="needle x").data] == ["resp_2"]


def test_a_very_long_turn_is_searched_at_its_start(store: EventStore) -> None:
    say(store, "needle " + "hay " * 100_000 + "end")
    assert matches(store, "needle")[0].startswith("[needle] hay")
