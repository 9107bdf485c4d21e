"""The recorder's thread that brings frames to disk where the database does not take them."""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.capture.recorder.pending_frames import size_of
from eventstore.capture.recorder.recorder_state import LOGGER, SLOW, Flow, flat
from eventstore.capture.recorder.spool.spool_format import Entry, frames_in
from eventstore.common import unforeseen

#: Seconds until another try, where the disk does not take them either.
_RETRY = 0.5


class Spooler:
    """Takes over where the writer fails or is slow.

    Args:
        flow: shared with the writer.
    """

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def run(self) -> None:
        """Work until the flow is over, and all that is left then is on disk."""
        flow, outbox = self._flow, self._flow.outbox
        while True:
            with outbox.lock:
                if not flow.over and not outbox.begun:
                    flow.spool_now.wait(self._pause())
                over = flow.over
                begun, outbox.begun = outbox.begun, []
            # Before its frames are written; they may wait for its session's id.
            flow.journal(begun)
            with outbox.lock:
                if not flow.spooling and not over and not flow.is_slow():
                    continue
                in_flight, queued = flat(flow.in_flight), outbox.take()
                flow.spooler_busy = bool(in_flight or queued)
                flow.note_spooled(size_of([*in_flight, *queued]))
                news = False
                if flow.spooler_busy and not flow.spooling:
                    news = flow.start_spooling(SLOW)
            if flow.spooler_busy:
                self._spool(in_flight, queued)
            if news:
                flow.tell_spooling()
            if over:
                return

    def _pause(self) -> float:
        flow = self._flow
        if flow.spooling:
            return _RETRY if flow.outbox.spool_fails else flow.interval
        return flow.interval if flow.outbox.held else flow.patience / 4

    def _spool(self, in_flight: Sequence[Entry], queued: list[Entry]) -> None:
        flow, outbox = self._flow, self._flow.outbox
        entries = [*in_flight, *queued]
        try:
            for key in {entry.key for entry in entries}:
                flow.spool.begin(outbox.lives[key].destination)
            flow.spool.append(entries)
        except Exception as error:
            self._tell(error)
            with outbox.lock:
                outbox.put_back(queued)
                flow.spooler_busy = False
            return
        outbox.spool_fails = False
        with outbox.lock:
            # What the writer has brought home meanwhile is no more in flight.
            outbox.release(flat(flow.in_flight))
            outbox.release(queued)
            flow.in_flight, flow.since = {}, None
            flow.spooled += frames_in(entries)
            flow.spooler_busy = False
            outbox.changed.notify()

    def _tell(self, error: Exception) -> None:
        if not self._flow.outbox.spool_fails:
            LOGGER.error(
                "the spool %s cannot be written: %s; frames stay in memory while there is room",
                self._flow.spool.folder,
                error if isinstance(error, OSError) else type(error).__name__,
            )
            if not isinstance(error, OSError):
                unforeseen.log_fault(LOGGER, "writing the spool", error)
        self._flow.outbox.spool_fails = True
