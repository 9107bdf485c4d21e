"""Recognize files that are not recordings, and say what to do with them. Pure.

`recording_file.py` calls it before it chooses a format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from eventstore.brief import brief
from eventstore.capture.files.formats.registry import RECORDING_FORMATS
from eventstore.errors import InvalidInputError

_UNPACK = "unpack it, and import what is in it"
_KINDS = (
    (rb"\x1f\x8b|\x28\xb5\x2f\xfd|\x78\xda", "a file that is packed twice", _UNPACK),
    (rb"PK\x03\x04", "a ZIP archive", _UNPACK),
    (rb"\xfd7zXZ\x00", "an xz file", "xzcat FILE | eventstore import -"),
    (rb"BZh[1-9]", "a bzip2 file", "bzcat FILE | eventstore import -"),
    (rb"SQLite format 3\x00", "an SQLite database", "name a store with --db, or copy from it"),
    (
        rb"\xff\xfe|\xfe\xff",
        "text in UTF-16",
        "iconv -f UTF-16 -t UTF-8 FILE | eventstore import -",
    ),
    (
        rb"RIFF....WAVE|OggS|fLaC|ID3",
        "a sound file",
        "import the events of the call, not its sound",
    ),
    (
        rb"\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x4d\x3c\xb2\xa1|\x0a\x0d\x0d\x0a",
        "a packet capture",
        "record calls with: eventstore record",
    ),
    (rb"PAR1", "a Parquet file", "write the column of frames as CSV or JSON lines"),
    (
        rb"\d{1,12}:\d{1,3}:[a-z]",
        "a flow file of mitmproxy",
        "make a HAR file of it, and import that: mitmdump -nr FILE --set hardump=FILE.har",
    ),
    (rb"(?i)\s*<(!|html|\?xml)", "HTML or XML", "import the events themselves"),
)


def refuse_other_kinds(head: bytes) -> None:
    """Raise if a file's first bytes are those of another kind of file.

    Raises:
        InvalidInputError: If they are.
    """
    for first_bytes, what, advice in _KINDS:
        if re.match(first_bytes, head, re.DOTALL):
            raise InvalidInputError(f"it looks like {what}, and no recording; {advice}")


def refuse_objects(values: Iterable[dict[str, Any]]) -> None:
    """Raise if the first of a file's objects is known not to be a message.

    Raises:
        InvalidInputError: If it is.
    """
    first = next(iter(values), {})
    sides = (first.get("request"), first.get("response"))
    if "type" not in first and all(isinstance(side, dict) for side in sides):
        raise InvalidInputError(
            "it looks like a cassette of requests of HTTP, and holds no messages of a websocket"
        )


def refuse_text(head: str) -> None:
    """Raise if none of a text's first lines could be JSON.

    Raises:
        InvalidInputError: If none could.
    """
    lines = [line.strip() for line in head.splitlines()[:100] if line.strip()]
    if lines and not any(line.startswith(("{", "[")) for line in lines):
        raise InvalidInputError(
            f"line 1: not JSON, and no log that import knows: it begins with {brief(lines[0])};"
            f" name its format with --format, one of {', '.join(RECORDING_FORMATS)}"
        )
