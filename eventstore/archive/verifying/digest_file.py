"""Write and read files of digests: one JSON line for each session.

A file of digests is kept away from the store that it proves. Used by the command
`verify`, which can write such a file and compare a store with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from eventstore.archive.verifying.verify_results import SegmentDigest, Verified
from eventstore.errors import InvalidInputError
from eventstore.realtime.values import dumps


class _Segment(BaseModel):
    model_config = ConfigDict(extra="ignore")
    first_seq: int = Field(ge=1)
    last_seq: int = Field(ge=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class _Line(BaseModel):
    model_config = ConfigDict(extra="ignore")
    session_id: str
    segments: list[_Segment]


_LINE = TypeAdapter(_Line)


def digest_entry(verified: Verified) -> dict[str, Any]:
    """Return a session's digests as a JSON object.

    Example: `{"session_id": "sess_1", "events": 9, "sha256": "ab…", "segments": [{"first_seq": 1,
    "last_seq": 9, "sha256": "ab…"}]}`.
    """
    return {
        "session_id": verified.session_id,
        "events": verified.events,
        "sha256": verified.sha256.hex(),
        "segments": [
            {"first_seq": first, "last_seq": last, "sha256": sha256.hex()}
            for first, last, sha256 in verified.segments
        ],
    }


def digest_lines(verified: Iterable[Verified]) -> Iterator[str]:
    """Yield the lines of a file of digests, each with its line end."""
    return (dumps(digest_entry(one)) + "\n" for one in verified)


def read_digest_lines(texts: Iterable[str]) -> dict[str, list[SegmentDigest]]:
    """Return the digests in the lines of a file, by session id.

    Raises:
        InvalidInputError: A line does not hold a session's digests. The error names the line.
    """
    found = {}
    for number, text in enumerate(texts, 1):
        if not text.strip():
            continue
        try:
            line = _LINE.validate_json(text)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise InvalidInputError(f"line {number} holds no session's digests: {why}") from error
        found[line.session_id] = [
            SegmentDigest(one.first_seq, one.last_seq, bytes.fromhex(one.sha256))
            for one in line.segments
        ]
    return found
