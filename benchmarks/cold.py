"""The first answer of lists and pages after the database was restarted and caches were emptied.

`--chill COMMAND` names a command of the shell that does both, such as a script with `pg_ctl
restart` and `echo 3 > /proc/sys/vm/drop_caches`. It runs before each list. What is measured is the
first answer after it, a second one, and how many questions it takes until an answer comes in time.
"""

from __future__ import annotations

import http.client
import random
import subprocess
import time
from functools import partial
from urllib.parse import urlencode, urlsplit

from benchmarks.databases import Databases
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.pages import (
    LISTS,
    PAGE,
    RESPONSES,
    SESSIONS,
    TARGET_MS,
    Asked,
    Stored,
    ask,
    serving,
    words_of,
)
from benchmarks.report import Report
from benchmarks.rounds import timed

#: The path at which a server says that it is ready.
READY = "/readyz"
#: Questions that are asked until one is answered in time.
MOST_ASKED = 20
#: Lists of each kind; emptying all caches for each of them takes a while.
CHOSEN = (
    *("sessions", "sessions, customer", "sessions, a rare word"),
    *("responses", "responses, customer", "responses, a rare word", "responses, a common word"),
    *("suggestions: values", "usage by day and model", "page of usage, 7 days"),
)


def run(databases: Databases, options: Options) -> Report:
    """Measure on each store, each list by itself."""
    report = Report("cold", "cold: the first answer of a list, with nothing in memory")
    if not options.chill:
        raise RuntimeError("cold needs --chill: a command that empties all caches")
    size = options.size(1_000_000)
    for store, url, what, filled in filled_stores(databases, options, report, size):
        stored = Stored(filled, *words_of(store))
        with serving(url) as address:
            for name in CHOSEN:
                store.engine.dispose()
                subprocess.run(["/bin/sh", "-c", options.chill], check=True)
                _measure(report, f"{what}: {name}", LISTS[name], stored, address)
    return report


def _is_ready(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has found the database again, whose connections were ended."""
    connection.request("GET", READY)
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def _measure(report: Report, what: str, asked: Asked, stored: Stored, address: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=600)
    while not _is_ready(connection):
        time.sleep(0.1)
    chance = random.Random(what)
    taken: list[float] = []
    while len(taken) < MOST_ASKED and (len(taken) < 2 or taken[-1] > TARGET_MS):
        parameters = asked.parameters(chance, stored)
        if asked.path in (SESSIONS, RESPONSES):
            parameters |= {"limit": PAGE}
        path = f"{asked.path}?{urlencode(parameters)}"
        taken.append(1000 * timed(partial(ask, connection, path)))
    connection.close()
    details = {"second ms": taken[1], "questions until in time": len(taken)}
    report.add(what, taken[0], unit=" ms", **details)
