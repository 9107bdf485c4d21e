"""Search in scripts without spaces: any part of a run is found, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples
from support.rows import counts_of_said
from support.searching import matches, say, sessions
from support.word_limits import word_limits

from eventstore import EventStore
from eventstore.store.filters.search import parse_terms
from eventstore.store.readmodels.words.search_tokens import (
    MOST_TOKENS,
    find_term,
    index_tokens,
    query_tokens,
)
from eventstore.store.readmodels.words.searched_text import Searched
from eventstore.store.sessions.project import count_behind

SCRIPTS = {
    "kanji and kana": "天気東京都晴雨はでのくすー々",
    "chinese": "订单发货明天您的𠮷",
    "korean": "배송이언제도착하나요",
    "thai": "กขคงาิีุ่้เแไ",
    "lao": "ກຂຄງາິີ່",
    "khmer": "កខគឃងាិីុ្",
    "burmese": "ကခဂငာိီု်",
    "tai tham": "ᨠᨡᨣᩣᩥ",
    "javanese": "ꦏꦒꦔꦴꦶ",
}
WORDS = ("order", "15", "möchte", "заказ", "हिन्दी")

runs = st.sampled_from(sorted(SCRIPTS)).flatmap(
    lambda name: st.text(SCRIPTS[name], min_size=1, max_size=12)
)
#: Words and runs, with signs or nothing between them.
texts = st.lists(
    st.tuples(runs | st.sampled_from(WORDS), st.sampled_from((" ", "。", "、", ", ", "…", "\n"))),
    min_size=1,
    max_size=6,
).map(lambda pieces: "".join(piece + sign for piece, sign in pieces))


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, str]:
    """A run in a script without spaces, and a part of it that is longer than a character."""
    run = draw(runs.filter(lambda found: len(found) > 1))
    start = draw(st.integers(0, len(run) - 2))
    return run, run[start : draw(st.integers(start + 2, len(run)))]


# Unit: tokens


def test_a_run_is_cut_into_pairs_and_its_last_character() -> None:
    assert index_tokens("東京は晴れ, said Ann") == [
        *("東京", "京は", "は晴", "晴れ", "れ"),
        *("said", "ann"),
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("ＡＢＣ１２", ["abc12"]),
        ("ﾊﾞｽ", ["バス", "ス"]),
        ("ハ\u3099ス", ["バス", "ス"]),
        ("배", ["배"]),
        ("\u1107\u1162", ["배"]),
        ("葛\U000e0100城", ["葛城", "城"]),
        ("ភាសា\u200bខ្មែរ", index_tokens("ភាសាខ្មែរ")),
        ("Foo™ ❤️ …", ["foo"]),
        ("cafe\u0301", ["café"]),
        ("Straße", ["strasse"]),
        ("x" * 5000, ["x" * 256]),
    ],
)
def test_forms_of_one_character_are_one(text: str, tokens: list[str]) -> None:
    assert index_tokens(text) == tokens


@given(text=st.text(max_size=300), is_call=st.booleans())
@examples(300)
def test_tokens_are_letters_and_digits_alone(text: str, is_call: bool) -> None:
    for token in index_tokens(text, is_call):
        assert token and not any(char.isspace() or char in "'\"\\*:&|!()<>\0" for char in token)
        assert not any("\ud800" <= char <= "\udfff" for char in token)


@given(text=st.text(st.characters(max_codepoint=127), max_size=300))
@examples(300)
def test_words_of_english_are_the_same_beside_other_scripts(text: str) -> None:
    assert index_tokens(f"é {text}") == ["é", *index_tokens(text)]


def test_the_words_of_a_long_text_are_limited() -> None:
    assert index_tokens("a " * (MOST_TOKENS + 1)) == ["a"] * MOST_TOKENS


@given(found=parts(), before=texts, after=texts)
@examples(300)
def test_any_part_of_a_run_is_found_in_its_place(
    found: tuple[str, str], before: str, after: str
) -> None:
    run, part = found
    wanted = query_tokens(part)
    assert wanted is not None
    text = f"{before}{run} {after}"
    place = find_term(text, wanted)
    assert place is not None and text[slice(*place)] == part
    assert text.index(part) == place[0]


@given(data=st.data())
@examples(300)
def test_only_what_stands_side_by_side_is_found(data: st.DataObject) -> None:
    chars = SCRIPTS[data.draw(st.sampled_from(sorted(SCRIPTS)))][:3]
    text = data.draw(st.text(f"{chars} 。", max_size=20))
    part = data.draw(st.text(chars, min_size=1, max_size=3))
    wanted = query_tokens(part)
    assert wanted is not None
    assert (find_term(text, wanted) is not None) == (part in text)


@pytest.mark.parametrize(
    ("said", "query", "shown"),
    [
        ("今日の天気はどうですか", "天気", "今日の[天気]はどうですか"),
        ("傘はいりません", "傘", "[傘]はいりません"),
        ("雨。傘", "傘", "雨。[傘]"),
        ("배송이 언제", "배송", "[배송]이 언제"),
        ("iPhone15を買う", '"iphone15を"', "[iPhone15を]買う"),
        ("iPhone 15を買う", "15を買", "iPhone [15を買]う"),
        ("東京は、晴れです", '"東京は 晴れ"', "[東京は、晴れ]です"),
        ("東京は、晴れです", '"東京 晴れ"', None),
        ("東京は、晴れです", '"京は 晴れ"', "東[京は、晴れ]です"),
        ("天 気", "天気", None),
        ("気天", "天気", None),
        ("ﾊﾞｽに乗る", "バス", "[ﾊﾞｽ]に乗る"),
        ("ﾊﾞｽに乗る", "バ", "[ﾊﾞ]ｽに乗る"),
        ("ｐｈｏｎｅ", "phone", "[ｐｈｏｎｅ]"),
        ("น้ำท่วม", "น้ำ", "[น้ำ]ท่วม"),
    ],
)
def test_a_snippet_shows_what_was_looked_for(said: str, query: str, shown: str | None) -> None:
    assert Searched(said).snippet(parse_terms(query)) == shown


# Integration: what is found


@word_limits
def test_what_plain_python_finds_is_found(
    store: EventStore, limits: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():  # as if all were said often, and very often
        monkeypatch.setattr(f"eventstore.store.filters.sql_conditions.{name}", limit)
    said: dict[str, str] = {}

    def look(query: str) -> None:
        found = {id_ for id_, text in said.items() if query in text}
        assert sessions(store, query) == found
        assert {one["id"] for one in store.sessions(text=query, limit=100).data} == found

    @given(found=parts(), text=texts, other=runs)
    @examples(25)
    def check(found: tuple[str, str], text: str, other: str) -> None:
        run, part = found
        id_ = f"sess_{len(said) % 90}"  # said anew, where there are as many as a page has
        said[id_] = f"{text}{run}"
        say(store, said[id_], id_)
        look(part)
        look(other)

    check()


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("傘はいりません", "傘"),
        ("雨の傘", "傘"),
        ("ＡＢＣを買う", "abc"),
        ("ﾊﾞｽはどこ", "バス"),
        ("バスはどこ", "ﾊﾞｽ"),
        ("iPhoneを買う", "iphone"),
        ("iPhone 15を買う", '"15を買う"'),
        ("東京は、晴れです", '"東京は 晴れ"'),
        ("東京は晴れ", "東京*"),
        ("東京は晴れ and Sunny", "晴れ sun*"),
        ("我要订单 12345", "订单 123*"),
        ("สวัสดีครับ", "ครับ"),
        ("សួស្តីពិភពលោក", "ពិភព"),
        ("ສະບາຍດີ", "ບາຍ"),
        ("မင်္ဂလာပါ", "လာပါ"),
        ("e\u0301te\u0301", "été"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("a😀b", "b"),
        ("हिन्दी में", "हिन्दी"),
    ],
)
def test_words_of_many_scripts(store: EventStore, said: str, query: str) -> None:
    say(store, said)
    assert len(matches(store, query)) == 1
    assert "[" in matches(store, query)[0]
    assert [one["id"] for one in store.sessions(text=query).data] == ["sess"]


def test_a_long_turn_is_searched_at_its_start(store: EventStore) -> None:
    text = "".join(chr(0x4E00 + number) for number in range(MOST_TOKENS + 200))
    say(store, text)
    assert sessions(store, text[MOST_TOKENS - 20 : MOST_TOKENS - 10]) == {"sess"}
    assert sessions(store, text[MOST_TOKENS + 100 :][:10]) == set()


def test_what_is_erased_is_found_no_longer(store: EventStore) -> None:
    for id_ in ("gone", "kept"):
        say(store, "東京は晴れです", id_)
    store.erase("gone", vacuum=False).raise_for_errors()
    assert sessions(store, "東京") == {"kept"}
    if store.engine.dialect.name == "sqlite":
        assert counts_of_said(store.engine) == (1, 1)


def test_what_is_said_anew_replaces_what_was_said(store: EventStore) -> None:
    say(store, "東京は晴れです")
    say(store, "大阪は雨です")
    assert sessions(store, "東京") == set()
    assert sessions(store, "大阪") == {"sess"}


# Integration: stores that were written before


@pytest.mark.parametrize("column", ["said", "words"])
def test_a_rebuild_makes_words_anew(store: EventStore, column: str) -> None:
    say(store, "東京は晴れです, my order")
    wrong: Any = {
        "postgresql": "UPDATE items SET said_words = 'wrong'",
        "sqlite": "UPDATE said SET text = 'wrong'",
    }
    with store.engine.begin() as connection:
        connection.exec_driver_sql(wrong[connection.dialect.name])
        connection.exec_driver_sql("UPDATE streams SET projector_version = 3")
    assert sessions(store, "東京") == set()
    assert count_behind(store.engine) == 1
    list(store.project().done if column == "said" else store.rebuild().done)
    assert sessions(store, "東京") == sessions(store, '"my order"') == {"sess"}
