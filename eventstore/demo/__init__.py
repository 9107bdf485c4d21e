"""The sample calls: two recorded voice sessions that the package contains.

One is of Realtime, and one of GPT-Live. Used by `python -m eventstore.demo`, by tests, and by the
scripts in `tools/`, which also make them.
"""

import lzma
from collections.abc import Iterator
from importlib import resources


def call_lines() -> Iterator[str]:
    """Yield the sample call's lines in order of arrival, without their newlines.

    Each line is a JSON object with `at` (ISO 8601, UTC, microseconds), `direction` (`client` or
    `server`) and `frame` (the exact text of the message).
    """
    return _lines_of("call.jsonl.xz")


def live_call_lines() -> Iterator[str]:
    """Yield the lines of the GPT-Live sample call, as `call_lines` does."""
    return _lines_of("live_call.jsonl.xz")


def _lines_of(name: str) -> Iterator[str]:
    packed = resources.files(__name__).joinpath(name)
    with packed.open("rb") as raw, lzma.LZMAFile(raw) as lines:
        for line in lines:
            yield line.decode().rstrip("\n")
