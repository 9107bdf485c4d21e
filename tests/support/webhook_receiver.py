"""`calls`, or `serve --calls`, as a process that receives webhooks."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from eventstore import EventStore
from support.terminal import COMMAND, environment, told_by


@contextmanager
def receiving(
    store: EventStore, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], str, list[str]]]:
    """The process, where webhooks are sent to, and what it said at its start."""
    url = store.engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--listen", "0", "--db", url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    try:
        told: list[str] = []
        wanted = "Serving" if arguments[0] == "serve" else "Receiving"
        while not told or not told[-1].startswith(wanted):
            told.append(told_by(process))
            assert told[-1], told
        found = re.search(r"https?://127\S+openai", "".join(told))
        assert found is not None, told
        yield process, found[0], told
    finally:
        process.kill()
        process.communicate(timeout=30)
