"""A process that exports again and again: `python -m support.updating_process URL TARGET TIMES`."""

from __future__ import annotations

import sys

from eventstore import EventStore, EventStoreError, update_parquet


def update(url: str, target: str, times: int) -> int:
    """Bring a target in step so many times; print how often that was done."""
    with EventStore(url) as store:
        print("ready", flush=True)
        for number in range(times):
            try:
                update_parquet(store, target)
            except EventStoreError as error:
                print(error, file=sys.stderr)
                return 1
            print(number, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(update(sys.argv[1], sys.argv[2], int(sys.argv[3])))
