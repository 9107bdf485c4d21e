"""The sample call: one recorded voice session that the package contains.

Used by `python -m eventstore.demo`, by tests, and by the scripts in `tools/`, which also make it.
"""

import lzma
from collections.abc import Iterator
from importlib import resources


def call_lines() -> Iterator[str]:
    """Yield the sample call's lines in order of arrival, without their newlines.

    Each line is a JSON object with `at` (ISO 8601, UTC, microseconds), `direction` (`client` or
    `server`) and `frame` (the exact text of the message).
    """
    packed = resources.files(__name__).joinpath("call.jsonl.xz")
    with packed.open("rb") as raw, lzma.LZMAFile(raw) as lines:
        for line in lines:
            yield line.decode().rstrip("\n")
