"""A sample call, carried with the package: one recorded voice session, ready to be replayed."""

import lzma
from collections.abc import Iterator
from importlib import resources


def call_lines() -> Iterator[str]:
    """Yield the sample call's lines in order of arrival, each one JSON object without its newline.

    A line holds `at` (ISO 8601, UTC, microseconds), `direction` (`client` or `server`) and `frame`
    (the exact text of the message).
    """
    packed = resources.files(__name__).joinpath("call.jsonl.xz")
    with packed.open("rb") as raw, lzma.LZMAFile(raw) as lines:
        for line in lines:
            yield line.decode().rstrip("\n")
