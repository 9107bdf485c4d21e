"""Every kind of JSON value, put in every place of an event."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: One of each kind, and of each that some reader or database refuses. As text, since no Python
#: value stands for some of them, and since one reader may read a number that another does not.
ODD_TEXTS = (
    *("null", "true", "false", "0", "-1", "1.5", "1e400", "NaN", "-Infinity"),
    *("9223372036854775808", "-9223372036854775809", "9" * 400, "9" * 5000),
    *('""', '"text"', '"1970-01-01T00:00:00Z"', '"\\u0000"', '"\\ud800"', '"\ud83d"', '"é\\ude00"'),
    *("[]", "[null]", '["text"]', "[[]]", "[{}]", "{}", '{"type":"text"}', '{"":{"":[]}}'),
    *('{"id":{"id":[]}}', '{"type":{},"id":[]}', '{"a":1,"a":{}}', "[" * 150 + "]" * 150),
    '{"a":' * 150 + "1" + "}" * 150,
)

_MARK = "a value to put here"


def with_each_value(event: Any, odd: str) -> Iterator[str]:
    """The texts of an event in which one value after the other is the odd one.

    Args:
        event: a parsed event.
        odd: the JSON text to put in each value's place.
    """
    for marked in _marked(event):
        yield json.dumps(marked).replace(json.dumps(_MARK), odd)


def _marked(value: Any) -> Iterator[Any]:
    """Copies of a JSON value in which one value after the other is the mark."""
    yield _MARK
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: marked} for marked in _marked(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], marked, *value[index + 1 :]] for marked in _marked(inner))
