"""Decide who sent the input audio of a GPT-Live connection, if its recording does not say so.

The client sends `session.input_audio.append` on the session's own connection, and the server
reflects the same audio to sidebands, under the same type. So its sender follows from the whole
connection: `import_survey.py` decides it before the frames are read into the log by
`import_file.py`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from eventstore.realtime.frames import CLIENT, SERVER, Frame, decode
from eventstore.realtime.live_catalogue import LIVE_INPUT_AUDIO
from eventstore.realtime.recording_lines import StoredPlace

#: Types that tell which connection of a session a recording is of.
_START, _STARTED, _OUTPUT_AUDIO = "session.start", "session.started", "session.output_audio.delta"
_PROOFS = (_START, _OUTPUT_AUDIO, LIVE_INPUT_AUDIO)

#: The numbers of the first and the last frame of a connection, from 1.
FrameRange = tuple[int, int]


class LiveSenders:
    """Decides for one connection whether the server reflected its input audio.

    The first proof decides: a `session.start` proves the session's own connection, as does input
    audio with an `event_id`, or output audio without times. Output audio with times proves a
    sideband. If there is no proof, a connection with a `session.started` is the session's own, and
    any other one is a sideband.
    """

    def __init__(self) -> None:
        self._proven: bool | None = None
        self._has_started = False

    def note(self, frame: Frame) -> None:
        """Take the next frame of the connection into account."""
        text = frame.text
        if self._proven is not None or isinstance(text, bytes) or "session." not in text:
            return
        type_, _, _, _, event = decode(text)
        self._has_started = self._has_started or type_ == _STARTED
        if type_ not in _PROOFS or event is None:
            return
        if type_ == _START or (type_ == LIVE_INPUT_AUDIO and "event_id" in event):
            self._proven = False
        elif type_ == _OUTPUT_AUDIO:
            self._proven = "start_ms" in event and "end_ms" in event

    def are_reflected(self) -> bool:
        """Return True if input audio without a sender was reflected by the server."""
        return not self._has_started if self._proven is None else self._proven


def is_input_audio(frame: Frame) -> bool:
    """Return True if a frame is input audio of a Live session, whoever sent it."""
    text = frame.text
    if isinstance(text, bytes) or LIVE_INPUT_AUDIO not in text:
        return False
    return decode(text).type == LIVE_INPUT_AUDIO


def with_senders(
    read: Iterable[tuple[Frame, StoredPlace]], reflecting: Sequence[FrameRange]
) -> Iterator[Frame]:
    """Yield frames; input audio that does not say its sender gets it from its connection.

    Args:
        read: All frames of a recording, each with what its line says beside it.
        reflecting: The connections whose input audio the server reflected, in order.
    """
    left = list(reflecting)
    for index, (frame, place) in enumerate(read, 1):
        while left and left[0][1] < index:
            del left[0]
        if left and left[0][0] <= index and not place.is_sender_told and is_input_audio(frame):
            yield frame._replace(direction=SERVER)
        else:
            yield frame


def digested_direction(frame: Frame) -> str:
    """Return the direction by which a frame counts for an id that is made of a recording.

    Input audio always counts as the client's, so that a recording that does not say its sender and
    its export, which does, get the same id.
    """
    return CLIENT if is_input_audio(frame) else frame.direction
