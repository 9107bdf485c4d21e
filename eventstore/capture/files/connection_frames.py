"""Read the frames of a recording's connections into the log, and read them again if needed.

A transaction that stood in the way of another one is run again, and then needs the frames of its
connection once more. They are read from the file, since they may be too many to be held. Called by
`import_file.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from eventstore.capture.files.formats.recording_file import RecordingFile
from eventstore.capture.files.import_survey import FoundConnection
from eventstore.capture.files.live_senders import with_senders
from eventstore.capture.files.redaction import Redaction
from eventstore.errors import InvalidInputError
from eventstore.realtime.frames import Frame
from eventstore.realtime.recording_lines import BadLine

Progress = Callable[[int], None]

#: After how many frames the progress is told.
_TOLD_EVERY = 256


class RereadRecording:
    """The readable frames of a recording, without their secrets. It can be read from any frame on.

    Args:
        recording: The recording.
        connections: Its connections.
        redact: True takes secrets out of the frames.
        stream: The file of the recording.
        progress: Called with the bytes of the file that were read; not again for bytes that are
            read once more. None for nobody.
    """

    def __init__(
        self,
        recording: RecordingFile,
        connections: Iterable[FoundConnection],
        redact: bool,
        stream: BinaryIO,
        progress: Progress | None,
    ) -> None:
        self._recording, self._redact = recording, redact
        self._reflecting = [(one.first, one.last) for one in connections if one.is_reflected]
        self._stream, self._progress, self._told = stream, progress, 0
        self._begin()

    def _begin(self) -> None:
        read = (
            (frame, place)
            for _, frame, place in self._recording.read()
            if not isinstance(frame, BadLine)
        )
        self.redaction = Redaction(self._redact)
        sent = with_senders(read, self._reflecting)
        self._frames, self._taken = map(self.redaction.take_out, sent), 0

    def go_to(self, number: int) -> None:
        """Have `take` return the frame of this number next; the first one has the number 1."""
        if self._taken >= number:
            self._begin()
        while self._taken < number - 1:
            self.take()

    def take(self) -> Frame:
        """Return the next frame.

        Raises:
            InvalidInputError: There is none, although there was one when the file was checked.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise InvalidInputError("the file changed while it was read; import it again")
        self._taken += 1
        return frame

    def tell_progress(self) -> None:
        """Tell how many bytes of the file were read."""
        if self._progress is not None and self._stream.tell() > self._told:
            self._told = self._stream.tell()
            self._progress(self._told)


class ConnectionFrames:
    """The frames of one connection of a recording. Each `read` begins with the first of them.

    Args:
        recording: The recording.
        connection: Where its frames are in the recording.

    Attributes:
        secrets: How many secrets the last reading has taken out.
    """

    def __init__(self, recording: RereadRecording, connection: FoundConnection) -> None:
        self._recording, self._connection = recording, connection
        self.secrets = 0

    def read(self) -> Iterator[Frame]:
        """Yield the frames.

        Raises:
            InvalidInputError: The file changed while it was read.
        """
        first, last, *_ = self._connection
        recording = self._recording
        recording.go_to(first)
        redaction, before = recording.redaction, recording.redaction.secrets
        for number in range(first, last + 1):
            frame = recording.take()
            self.secrets = redaction.secrets - before
            if (number - first) % _TOLD_EVERY == 0:
                recording.tell_progress()
            yield frame
