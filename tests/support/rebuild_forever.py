"""A process that rebuilds a projection again and again, to be killed: `rebuild_forever.py URL`."""

from __future__ import annotations

import sys

from eventstore import EventStore
from support.own_projections import CountTypes


def main(url: str) -> None:
    with EventStore(url, projections=[CountTypes(inline=True)]) as store:
        print("ready", flush=True)
        while True:
            for failure in store.rebuild(projection="own_counts").failed:
                print(failure, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
