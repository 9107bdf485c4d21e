"""Check OpenTelemetry's variables of the environment before anything is sent by them.

Its exporter writes a wrong value into its log and goes on without it, so that a collector refuses
everything, and a key that was written wrongly would be in the log. Called by otlp_http.py.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from eventstore.brief import brief
from eventstore.errors import InvalidInputError

#: For how long spans are offered, in seconds: at least, at most, and if nothing else is said.
_LEAST, _MOST, _USUAL = 1.0, 60.0, 10.0
_COMPRESSIONS = ("none", "gzip", "deflate")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")


def check_settings() -> float:
    """Return how many seconds spans are offered at most, by the environment.

    Raises:
        InvalidInputError: A variable of OpenTelemetry has a value that cannot be used. The message
            has no value of a header.
    """
    _check_headers()
    name, compression = _variable("COMPRESSION")
    if compression.lower() not in ("", *_COMPRESSIONS):
        raise InvalidInputError(f"{name}: use one of {', '.join(_COMPRESSIONS)}")
    for kind in ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"):
        name, path = _variable(kind)
        if path and not os.access(path, os.R_OK):
            raise InvalidInputError(f"{name}: {brief(path)} cannot be read")
    return _seconds()


def _check_headers() -> None:
    from opentelemetry.util.re import parse_env_headers

    name, headers = _variable("HEADERS")
    for number, header in enumerate(filter(str.strip, headers.split(",")), 1):
        with silenced():
            parsed = parse_env_headers(header, liberal=True)
        if not parsed or not all(map(_VALUE.fullmatch, parsed.values())):
            raise InvalidInputError(
                f"{name}: header {number} cannot be sent: write NAME=VALUE, and commas between them"
            )


def _seconds() -> float:
    name, told = _variable("TIMEOUT")
    if not told:
        return _USUAL
    try:
        seconds = float(told)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds <= 0:
        raise InvalidInputError(f"{name}: give a number of seconds, such as 10")
    return min(max(seconds, _LEAST), _MOST)


def _variable(kind: str) -> tuple[str, str]:
    """Return the name and the value of a variable: the one for traces, if it is set."""
    names = f"OTEL_EXPORTER_OTLP_TRACES_{kind}", f"OTEL_EXPORTER_OTLP_{kind}"
    found = next((name for name in names if os.environ.get(name)), names[-1])
    return found, os.environ.get(found, "").strip()


@contextmanager
def silenced() -> Iterator[None]:
    """Drop what the exporter logs: outcomes tell it, without values of headers."""
    logger, nothing = logging.getLogger("opentelemetry"), logging.NullHandler()
    propagated, logger.propagate = logger.propagate, False
    logger.addHandler(nothing)
    try:
        yield
    finally:
        logger.removeHandler(nothing)
        logger.propagate = propagated
