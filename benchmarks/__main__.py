"""Run benchmarks: `python -m benchmarks [NAME…] [--quick]`."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.databases import BACKENDS, databases
from benchmarks.options import Options
from benchmarks.report import COMMIT
from benchmarks.rounds import progress

NAMES = (
    "start",
    "append",
    "async_calls",
    "frame_cost",
    "peer",
    "rebuild",
    "query",
    "lists",
    "pages",
    "search",
    "usage",
    "scores",
    "memory",
    "bounds",
    "serve",
    "feed",
    "traces",
    "sound",
    "relay",
    "relay_bounds",
    "outage",
    "soak",
    "archive",
    "encryption",
    "plan",
    "cluster",
    "writers",
    "calls",
)
#: Those that need no database.
COMPUTED = {"plan"}
#: Those that need a cluster, which TEST_CITUS names. They run only by their names.
OF_A_CLUSTER = {"cluster"}


def main() -> int:
    """Run what is asked for, one after the other; 1 where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; or all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size")
    parser.add_argument("--db", action="append", choices=BACKENDS, help="this database alone")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--dir", type=Path, help="where to make databases")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).with_name("results"), help="folder of the JSON"
    )
    parser.add_argument(
        "--calls", action="append", type=int, help="plan, calls: so many live calls"
    )
    parser.add_argument(
        "--assume", action="append", metavar="NAME=VALUE", help="plan: benchmarks/assumptions.py"
    )
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = given.names or [name for name in NAMES if name not in OF_A_CLUSTER]
    backends = () if set(names) <= COMPUTED else tuple(given.db or BACKENDS)
    options = Options(given.quick, backends, given.dir, given.rounds)
    if given.calls:
        options = options._replace(calls=tuple(given.calls))
    if given.assume:
        options = options._replace(assumed=tuple(given.assume))
    short = 0
    progress("measuring the code at", COMMIT)
    with databases(given.dir, backends) as made:
        for name in names:
            report = importlib.import_module(f"benchmarks.{name}").run(made, options)
            report.print()
            progress("written:", report.write(given.out))
            short += sum(row["ok"] is False for row in report.rows)
    return 1 if short else 0


if __name__ == "__main__":
    raise SystemExit(main())
