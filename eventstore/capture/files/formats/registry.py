"""All formats that are read, in the order in which they are tried; `recording_file.py` uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.capture.files.formats.readers import (
    agents_demo,
    agents_sdk,
    cassette,
    console,
    csv_rows,
    har,
    har_message,
    langsmith,
    mitmproxy,
    own,
    timestamped,
    wscat,
)
from eventstore.capture.files.formats.reading import ValueFormat

#: Formats of other tools in which a message is a JSON object.
VALUE_FORMATS = (
    agents_sdk.FORMAT,
    agents_demo.FORMAT,
    langsmith.FORMAT,
    har_message.FORMAT,
    console.FORMAT,
    cassette.FORMAT,
    timestamped.FORMAT,
)
#: What each format is, by the names that `--format` takes.
RECORDING_FORMATS = {
    own.FORMAT.name: own.FORMAT.what,
    har.NAME: har.WHAT,
    **{one.name: one.what for one in VALUE_FORMATS},
    csv_rows.NAME: csv_rows.WHAT,
    wscat.NAME: wscat.WHAT,
    mitmproxy.NAME: mitmproxy.WHAT,
}


def value_format(name: str) -> ValueFormat:
    """Return the format of this name, in which a message is an object."""
    return next(one for one in (own.FORMAT, *VALUE_FORMATS) if one.name == name)


def format_of(values: Iterator[dict[str, Any]]) -> ValueFormat:
    """Return the format of a file by its first objects; our own if they are of no other."""
    for value in values:
        if own.looks_like(value) and not timestamped.looks_like(value):
            continue
        for one in VALUE_FORMATS:
            if one.looks_like(value):
                return one
    return own.FORMAT
