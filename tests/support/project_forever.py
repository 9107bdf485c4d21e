"""A process that projects a store again and again, to be killed: `project_forever.py URL`."""

from __future__ import annotations

import sys

from eventstore import EventStore
from support.own_projections import CountTypes


def main(url: str) -> None:
    with EventStore(url, projection="deferred", projections=[CountTypes()]) as store:
        print("ready", flush=True)
        while True:
            for failure in store.project(waits=False).failed:
                print(failure, file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
