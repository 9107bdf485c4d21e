"""Run benchmarks: `python -m benchmarks [NAME…] [--quick]`.

`--keep` takes the figures over into `benchmarks/figures/`, and writes the tables of
docs/benchmarks.md from there.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from benchmarks.databases import BACKENDS, POSTGRESQL, databases
from benchmarks.options import Options
from benchmarks.page import figures
from benchmarks.page.__main__ import write_page
from benchmarks.report import COMMIT, Report, versions
from benchmarks.rounds import progress

NAMES = (
    "start",
    "append",
    "async_calls",
    "frame_cost",
    "peer",
    "rebuild",
    "rebuild_many",
    "query",
    "lists",
    "pages",
    "search",
    "usage",
    "scores",
    "bytes_each",
    "fill",
    "cold",
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
#: Those that run only by their names: they need a store, or a command.
BY_NAME = OF_A_CLUSTER | {"fill", "cold"}


def main() -> int:
    """Run what is asked for, one after the other; 1 where a figure falls short."""
    parser = _parser()
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if given.quick and given.keep:
        parser.error(
            "a quick run is not kept; --keep-quick keeps it, and the page says that it was quick"
        )
    names = given.names or [name for name in NAMES if name not in BY_NAME]
    backends = () if set(names) <= COMPUTED else tuple(given.db or BACKENDS)
    options = Options(given.quick, backends, given.dir, given.rounds)
    options = options._replace(
        responses=given.responses,
        sessions=given.sessions,
        minutes=given.minutes,
        stores=tuple(given.store),
        chill=given.chill,
    )
    if given.calls:
        options = options._replace(calls=tuple(given.calls))
    if given.assume:
        options = options._replace(assumed=tuple(given.assume))
    short = 0
    progress("measuring the code at", COMMIT)
    # A store that is named has a server of its own.
    with databases(given.dir, () if given.store else backends) as made:
        with_what = versions(made)
        for name in names:
            report = importlib.import_module(f"benchmarks.{name}").run(made, options)
            report.print()
            progress("written:", report.write(given.out))
            if given.keep or given.keep_quick:
                keep(report, with_what, given.quick, given.to_before)
            short += sum(row["ok"] is False for row in report.rows)
    return 1 if short else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; or all")
    add("--quick", action="store_true", help="a tenth of the size")
    add("--db", action="append", choices=BACKENDS, help="this database alone")
    add("--rounds", type=int, help="rounds of each measurement")
    add("--dir", type=Path, help="where to make databases")
    results = Path(__file__).with_name("results")
    add("--out", type=Path, default=results, help="folder of the JSON")
    add("--keep", action="store_true", help="keep the figures for docs/benchmarks.md")
    add("--keep-quick", action="store_true", help="keep figures that are of a quick run")
    add("--to-before", action="store_true", help="keep what they replace as the figures before")
    add("--responses", type=int, help="how many responses stores are filled with")
    add("--sessions", type=int, help="rebuild_many: so many, a multiple of 2,000")
    add(
        "--store",
        action="append",
        default=[],
        metavar="URL",
        help="measure on this database that `fill` filled, and keep it; again: on others too",
    )
    add("--chill", default="", help="cold: a command that empties all caches")
    add("--calls", action="append", type=int, help="plan, calls: so many live calls")
    add("--minutes", type=int, default=0, help="calls: for how long they have gone on before")
    add("--assume", action="append", metavar="NAME=VALUE", help="plan: benchmarks/assumptions.py")
    return parser


def keep(
    report: Report,
    with_what: str,
    quick: bool = False,
    to_before: bool = False,
    folder: Path = figures.FOLDER,
) -> None:
    """Keep the figures of a report, and write the tables of the page.

    Args:
        report: What was measured.
        with_what: The versions of Python and of the databases.
        quick: True if this was a quick run.
        to_before: True if what is replaced becomes the figures before.
        folder: Where figures are kept.
    """
    kept = figures.read(report.name, folder)
    server = report.notes.get(POSTGRESQL, {}).get("server_version")
    if server and "PostgreSQL" not in with_what:  # A store that was named has a server of its own.
        with_what += f", PostgreSQL {server.split()[0]}"
    for what in figures.not_measured(kept, report.rows):
        progress("not measured now, kept as it was:", what)
    found = figures.taken_over(
        kept,
        report.title,
        report.rows,
        on=time.strftime("%Y-%m-%d", time.gmtime()),
        versions=with_what,
        quick=quick,
        to_before=to_before,
    )
    progress("kept:", figures.write(report.name, found, folder))
    if folder == figures.FOLDER:
        try:
            write_page()
        except ValueError as error:  # The figures are kept; other benchmarks may come.
            progress("the page stays as it was:", error)


if __name__ == "__main__":
    raise SystemExit(main())
