"""Play cues at their own pace, faster, or at once. Called by the command `replay`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from eventstore.replay.player.cue import Cue

# The longest wait for a cue, in seconds. A clock may jump by centuries, which no timer can wait.
_LONGEST_WAIT = 86_400.0


def paced(
    cues: Iterable[Cue],
    speed: float | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Cue]:
    """Yield each cue when it is due.

    Args:
        speed: 1 for the session's own pace, 2 for twice as fast, and so on; None for at once. Cues
            without a time are yielded at once.
        clock, sleep: Return and wait seconds; for tests.
    """
    started = clock()
    for cue in cues:
        if speed is not None and cue.offset_ms is not None:
            # Due times are absolute, so that slow printing does not add up.
            wait = started + cue.offset_ms / 1000 / speed - clock()
            if wait > 0:
                sleep(min(wait, _LONGEST_WAIT))
        yield cue
