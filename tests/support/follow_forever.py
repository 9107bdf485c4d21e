"""A process that follows a subscription and writes what it handles, to be killed.

`follow_forever.py URL FILE` appends a line for each delivery; `… transaction` writes rows of the
table `handled` in the transaction that moves the checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from eventstore import EventStore


def main(url: str, target: str) -> None:
    with EventStore(url) as store, store.subscribe("killed", from_="start", lease=0.5) as feed:
        print("ready", flush=True)
        if target == "transaction":
            feed.run_in_transaction(_write)
        with Path(target).open("a") as file:
            for one in feed:
                file.write(f"{one.session_id} {one.seq}\n")
                file.flush()


def _write(delivery: Any, execute: Any) -> None:
    execute("INSERT INTO handled VALUES (?, ?)", (delivery.session_id, delivery.seq))


if __name__ == "__main__":
    main(*sys.argv[1:])
