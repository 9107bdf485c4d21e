"""Unit: what a model reads is short, whole and plain: descriptions, cut values, texts, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from eventstore.mcp.answers import Answer
from eventstore.mcp.bounds import (
    error_line,
    fitting,
    json_answer,
    one_line,
    plain_text,
    size_of,
)
from eventstore.mcp.server import described, tool_result
from eventstore.mcp.tools.arguments import FindSessions, GiveScore
from eventstore.mcp.tools.registry import TOOLS, schema_of

LONG = " ".join(f"word{number}" for number in range(30_000))
PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
#: Arguments whose name and tool say all of them.
PLAIN = {
    *("after", "conversation", "limit", "max_duration", "min_cost", "min_duration", "min_tokens"),
    *("min_interruptions", "min_turns", "modality", "model", "order", "session", "tool", "voice"),
}
# Joiners of Persian, Hindi and emoji, a soft hyphen, marks of direction, a character that Python's
# tables may not have yet, and an empty space of Khmer.
WORDS = "می\u200cخواهم क्\u200dष 👨\u200d👩\u200d👧 a\u00adb \u200fשלום\u200e \U0001fae9 ខ\u200bម"
# What turns the direction, a tag that spells an invisible letter, a terminal's escape.
UNSEEN = "\u202e \u2066 \U000e0041 \x1b \x9b \ufeff"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_each_tool_and_each_argument_is_described(tool: Any) -> None:
    assert len(tool.description) > 60 and tool.title and f"`{tool.name}`" in PAGE
    schema = schema_of(tool.arguments)
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, parameter in schema["properties"].items():
        assert name in PLAIN or len(parameter.get("description", "")) >= 8, name
        assert "title" not in parameter and {"type": "null"} not in parameter.get("anyOf", [])


def test_the_tools_that_read_take_less_than_14_kilobytes() -> None:
    told = [described(tool) for tool in TOOLS if tool.right == "read"]
    sizes = {
        one.name: len(one.model_dump_json(by_alias=True, exclude_none=True).encode())
        for one in told
    }
    assert sum(sizes.values()) < 14_000, sizes


@pytest.mark.parametrize("budget", [200, 2000, 60_000])
def test_a_value_is_shortened_until_it_fits(budget: int) -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = {"a": [deep]}
    unseen = "\u202e" * 30_000
    for value in (LONG, [LONG] * 9, {f"k{n}" * 300: LONG for n in range(60)}, deep, [unseen]):
        made = fitting(value, budget)
        assert size_of(made) <= budget
        assert len(json_answer({"a": made})[0].encode()) <= budget + 8
    assert fitting({"a": [1, "b", None]}, budget) == {"a": [1, "b", None]}


def test_an_error_is_one_plain_line() -> None:
    line = error_line("a\nb\0\ud800\x1b " + "x" * 5000)
    assert line.isprintable() and len(line) < 700 and line.startswith("a b")
    assert one_line("a\u2028b\u3000c\xa0d") == "a b c d"


def test_words_of_all_scripts_stay_as_they_are() -> None:
    assert plain_text(WORDS) == one_line(WORDS) == WORDS
    assert plain_text("a\n\u202eb\U000e0041\x1b\u2028c") == "a\n�b�� c"


def test_the_text_of_an_answer_says_what_its_data_say() -> None:
    said = {"words": f"{WORDS} {UNSEEN} 東京\u3000です\u2028", WORDS: 1}
    result = tool_result(Answer(data=said))
    text: Any = result.content[0]
    assert json.loads(text.text) == result.structured_content == said
    assert WORDS in text.text
    assert not set("\u202e\u2066\U000e0041\x1b\x9b\u2028") & set(text.text)


@pytest.mark.parametrize(
    "written",
    [{"vip": True, "n": 5}, ["vip=true", "n=5"], '["vip=true", "n=5"]', '{"vip": true, "n": "5"}'],
)
def test_conditions_are_taken_as_models_write_them(written: Any) -> None:
    assert FindSessions.model_validate({"metadata": written}).metadata == ["vip=true", "n=5"]


def test_a_condition_of_no_value_is_wrong() -> None:
    for odd in ({"vip": None}, {"vip": ["a"]}, '{"vip": null}'):
        with pytest.raises(ValueError, match="write KEY alone"):
            FindSessions.model_validate({"metadata": odd})
    assert FindSessions.model_validate({"metadata": "[a=b"}).metadata == ["[a=b"]
    assert GiveScore.model_validate({"session_id": "s", "name": "n", "value": True}).value is True
