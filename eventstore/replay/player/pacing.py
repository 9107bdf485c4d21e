"""Play cues at their own pace, faster, or at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from eventstore.replay.player.cues import Cue

# Nobody waits longer for the next line, and a timer takes no centuries, which a clock may jump by.
_LONGEST_WAIT = 86_400.0


def paced(
    cues: Iterable[Cue],
    speed: float | None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Cue]:
    """The cues, each when it is due.

    Args:
        speed: 1 for the session's own pace, 2 for twice as fast, …; None for at once. Cues
            without times come at once.
        clock, sleep: seconds, for tests.
    """
    started = clock()
    for cue in cues:
        if speed is not None and cue.offset_ms is not None:
            # Due times are absolute, so that slow printing does not add up.
            wait = started + cue.offset_ms / 1000 / speed - clock()
            if wait > 0:
                sleep(min(wait, _LONGEST_WAIT))
        yield cue
