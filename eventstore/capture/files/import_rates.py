"""The sample rates of PCM that a user names for an import; `import_file.py` calls it.

A note in the session's log keeps them, because its server does not say them, or says wrong ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from eventstore.capture.recording.notes import sample_rates
from eventstore.errors import InvalidInputError
from eventstore.realtime.audio import (
    HIGHEST_RATE,
    LOWEST_RATE,
    NO_SAMPLE_RATES,
    SampleRates,
    valid_rate,
)
from eventstore.realtime.catalogue import SAMPLE_RATES
from eventstore.realtime.events import StoredEvent
from eventstore.realtime.frames import STORE, Frame

if TYPE_CHECKING:
    from eventstore.store.sessions.log import WritableLog


def parse_rates(input_rate: int | None, output_rate: int | None) -> SampleRates:
    """Return the sample rates that the user named.

    Raises:
        InvalidInputError: If one is not between 8000 and 48000 samples a second.
    """
    rates = SampleRates(input_rate, output_rate)
    for side, rate in rates._asdict().items():
        if rate is not None and valid_rate(rate) is None:
            raise InvalidInputError(
                f"{side} rate {rate}: use {LOWEST_RATE} to {HIGHEST_RATE} samples a second"
            )
    return rates


def with_rates_note(frames: Iterator[Frame], rates: SampleRates) -> Iterator[Frame]:
    """Yield frames behind the note of the sample rates that the user named, if any."""
    first = next(frames, None)
    if first is None:
        return
    if rates != NO_SAMPLE_RATES:
        yield sample_rates(rates, first.at)
    yield first
    yield from frames


def check_stored_rates(log: WritableLog, session_id: str, rates: SampleRates) -> None:
    """Compare the sample rates that the user named with those of a session that is stored.

    Raises:
        InvalidInputError: If they differ.
    """
    if rates == NO_SAMPLE_RATES:
        return
    note = sample_rates(rates, None).text
    first = next(log.events(session_id, last=1), None)
    if first is None or first.text != note:
        raise InvalidInputError(
            f"{session_id} is stored already, without these sample rates; store it once more"
            " with them under another id: --session-id NEW_ID"
        )


def is_rates_note(frame: Frame | StoredEvent) -> bool:
    """Return True if a frame is a note of sample rates."""
    return frame.direction == STORE and SAMPLE_RATES in str(frame.text)
