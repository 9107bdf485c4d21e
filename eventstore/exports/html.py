"""Write one call as an HTML page in one file, with transcript, audio and events.

The page opens without a network. Called by the command `export --format html` and as
`eventstore.write_html`.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from eventstore.errors import InvalidInputError, NotFoundError
from eventstore.exports import call_page, transcript
from eventstore.realtime.catalogue import AUDIO_DELTAS, INPUT_AUDIO
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.values import dumps, script_json, storable
from eventstore.sound.call_audio import AudioWritten, SoundLimit, write_without_long_silence
from eventstore.sound.erased_meanwhile import check_not_erased_since
from eventstore.sound.long_silence import LeftOutSilence
from eventstore.store.database.engine_options import prices_of
from eventstore.store.queries.masked_state import masked_state
from eventstore.store.sessions.log import Log
from eventstore.store.usage.unpriced import not_in_cost

#: A frame on the page is cut after so many characters. Its audio is left out before that.
FRAME_CHARACTERS = 4000
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")
_CHUNK = 3 * 64 * 1024
# The most sound on a page. Without this limit, a few chunks that lie hours apart would give days.
_SOUND = SoundLimit(seconds=3 * 3600, size=4 * 1024**3)
_FOLDER = "templates"


def write_html(log: Log, session_id: str, stream: BinaryIO) -> None:
    """Write a session as an HTML page. Secrets are masked.

    Args:
        log: The store.
        session_id: The session.
        stream: A binary stream to write to.

    Raises:
        NotFoundError: There is no such session.
        ErasedError: The session was erased meanwhile.
        ErasedMeanwhileError: The session's audio was erased meanwhile.
    """
    version = log.revision(session_id)
    shown = masked_state(log, session_id)
    errors = log.masked_events(session_id, type="error")
    told = transcript.transcript_turns(shown, errors, prices_of(log.engine))
    style, script = _asset("call.css"), _asset("call.js")
    with tempfile.TemporaryFile() as sound:
        written, gaps, silent = _write_audio(log, session_id, sound)
        template = _environment().get_template("call.html")
        pieces = template.generate(
            session_id=session_id,
            facts=call_page.call_facts(shown["session"], shown["usage"]),
            turns=told,
            usage=shown["usage"],
            **not_in_cost(shown["usage"]["unpriced"])._asdict(),
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704
            heard=written,
            silent=silent,
            gaps=dumps(gaps),
            audio=_base64(sound),
            events=_event_lines(log.masked_events(session_id)),
            clock=call_page.clock_of(shown["session"]),
            pretty=call_page.indented_json,
            long=call_page.LONG,
        )
        for piece in pieces:
            stream.write(piece.encode())
        check_not_erased_since(log, session_id, version)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("eventstore.exports", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: storable(value) if isinstance(value, str) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return (resources.files("eventstore.exports") / _FOLDER / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing is loaded, only the page's own script runs."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
        " media-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


# Audio


def _write_audio(
    log: Log, session_id: str, target: BinaryIO
) -> tuple[AudioWritten | None, list[LeftOutSilence], str | None]:
    """Write the call's sound as OGG, if there is any and a page can hold it.

    Returns:
        What was written, or None; the silence that was left out; and a line for the page if there
        is sound that the page cannot hold.
    """
    try:
        return *write_without_long_silence(log, session_id, target, _SOUND), None
    except NotFoundError:
        return None, [], None
    except InvalidInputError:
        hours = f"{_SOUND.seconds / 3600:.0f} hours"
        return None, [], f"The sound is longer than the {hours} that a page holds."


def _base64(sound: BinaryIO) -> Iterator[str]:
    sound.seek(0)
    while chunk := sound.read(_CHUNK):
        yield base64.b64encode(chunk).decode()


# Events


def _event_lines(events: Iterator[StoredEvent]) -> Iterator[Markup]:
    """Yield each event as a JSON array: seq, milliseconds, direction, type, length, frame."""
    start = None
    comma = ""
    for event in events:
        start = event.at if start is None else start
        offset = None if event.at is None or start is None else (event.at - start) / 1000
        line = [event.seq, offset, event.direction, event.type, len(event.text), _frame(event)]
        yield Markup(comma + script_json(line))  # noqa: S704 - script_json escapes
        comma = ",\n"


def _frame(event: StoredEvent) -> str | None:
    """Return a frame as the page shows it, or None for a frame of audio."""
    if event.type in INPUT_AUDIO or event.type in AUDIO_DELTAS:
        return None
    if isinstance(event.text, bytes):
        return f"{len(event.text):,} bytes that are no text"
    shown = _BASE64.sub(lambda found: f"… {len(found[0]):,} characters of base64 …", event.text)
    if len(shown) <= FRAME_CHARACTERS:
        return shown
    return f"{shown[:FRAME_CHARACTERS]} … {len(shown) - FRAME_CHARACTERS:,} more characters"
