"""The recorder's thread that writes frames to disk while the database does not take them.

`recorder.py` starts it beside the writer.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from eventstore.capture.recorder.recorder_state import LOGGER, SLOW_DATABASE, RecorderState, flat
from eventstore.capture.recorder.spool.spool_format import Entry, frames_in
from eventstore.common import unforeseen

#: Seconds until the next try if the disk does not take entries either.
_RETRY_SECONDS = 0.5


class SpoolThread:
    """Takes over from the writer if that fails or is slow.

    Args:
        state: Shared with the writer.
    """

    def __init__(self, state: RecorderState) -> None:
        self._state = state

    def run(self) -> None:
        """Work until the writer has ended and all that is left is on disk."""
        state, pending = self._state, self._state.pending
        while True:
            with pending.lock:
                if not state.writer_ended and not pending.begun:
                    state.spool_wakeup.wait(self._pause())
                over = state.writer_ended
                begun, pending.begun = pending.begun, []
            # The journal comes before a recording's frames, which may wait for the session's id.
            state.journal(begun)
            with pending.lock:
                if not over and not state.must_spool():
                    continue
                in_flight, queued = flat(state.in_flight), pending.take()
                state.spool_busy = bool(in_flight or queued)
                state.spooled_at = time.monotonic()
                is_new = False
                if state.spool_busy and not state.spooling:
                    is_new = state.start_spooling(SLOW_DATABASE)
            if state.spool_busy:
                self._spool(in_flight, queued)
            if is_new:
                state.log_spooling()
            if over:
                return

    def _pause(self) -> float:
        state = self._state
        if state.spooling:
            return _RETRY_SECONDS if state.pending.spool_fails else state.interval
        return state.interval if state.pending.held else state.patience / 4

    def _spool(self, in_flight: Sequence[Entry], queued: list[Entry]) -> None:
        state, pending = self._state, self._state.pending
        entries = [*in_flight, *queued]
        try:
            for key in {entry.key for entry in entries}:
                state.spool.begin(pending.recordings[key].target)
            state.spool.append(entries)
        except Exception as error:
            self._log_failure(error)
            with pending.lock:
                pending.put_back(queued)
                state.spool_busy = False
            return
        pending.spool_fails = False
        with pending.lock:
            # What the writer has appended meanwhile is no longer in flight.
            pending.release(flat(state.in_flight))
            pending.release(queued)
            state.in_flight, state.append_started = {}, None
            state.spooled += frames_in(entries)
            state.spool_busy = False
            pending.changed.notify()

    def _log_failure(self, error: Exception) -> None:
        if not self._state.pending.spool_fails:
            LOGGER.error(
                "the spool %s cannot be written: %s; frames stay in memory while there is room",
                self._state.spool.folder,
                error if isinstance(error, OSError) else type(error).__name__,
            )
            if not isinstance(error, OSError):
                unforeseen.log_fault(LOGGER, "writing the spool", error)
        self._state.pending.spool_fails = True
