"""A process that erases sessions until it is killed: `python -m support.erasing_process URL`."""

from __future__ import annotations

import sys

from eventstore import EventStore
from eventstore.store.maintenance.scrub import scrub


def erase_until_killed(url: str) -> None:
    """Erase what standard input names, a line a session, `audio NAME` or `session NAME`."""
    with EventStore(url) as store:
        print("ready", flush=True)
        for line in sys.stdin:
            what, name = line.split()
            store.erase(
                name, audio_only=what == "audio", reason="killed or not", vacuum=False
            ).raise_for_errors()
            print(name, flush=True)
        scrub(store.engine)


if __name__ == "__main__":
    erase_until_killed(sys.argv[1])
