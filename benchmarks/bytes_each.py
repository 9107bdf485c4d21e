"""How large a filled store is: bytes of each table and of each index, for a response."""

from __future__ import annotations

from benchmarks.databases import SQLITE, Databases
from benchmarks.filled import filled_stores
from benchmarks.options import Options
from benchmarks.report import Report
from eventstore.store.database.transaction import Transaction, read

#: Name, kind and bytes of each table and index, the largest first.
SIZES = {
    "postgresql": (
        "SELECT c.relname, CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END,"
        " pg_relation_size(c.oid) + CASE WHEN c.reltoastrelid <> 0"
        " THEN pg_total_relation_size(c.reltoastrelid) ELSE 0 END"
        " FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace"
        " AND c.relkind IN ('r', 'i') ORDER BY 3 DESC"
    ),
    # Tables of the search index are tables as well.
    "sqlite": (
        "SELECT d.name, CASE WHEN m.type = 'index' THEN 'index' ELSE 'table' END, SUM(d.pgsize)"
        " FROM dbstat d LEFT JOIN sqlite_schema m ON m.name = d.name WHERE d.aggregate"
        " GROUP BY d.name ORDER BY 3 DESC"
    ),
}
#: What takes less for a response is told as one.
LEAST = 20.0


def run(databases: Databases, options: Options) -> Report:
    """Measure on each database."""
    report = Report("bytes_each", "bytes_each: bytes of a store, for a response")
    size = options.size(100_000)
    for store, _, what, filled in filled_stores(
        databases, options, report, size, is_mixed=True, is_scored=True
    ):
        with read(store.engine) as tx:
            _add(report, tx, what, filled.responses)
    return report


def _add(report: Report, tx: Transaction, what: str, responses: int) -> None:
    sizes = [(str(name), str(kind), int(size)) for name, kind, size in _sizes(tx)]
    total = sum(size for _, _, size in sizes)
    for kind in ("table", "index"):
        report.add(
            f"{what}: {'tables' if kind == 'table' else 'indexes'}",
            sum(size for _, its, size in sizes if its == kind) / responses,
            unit=" B",
        )
    rest = 0.0
    for name, kind, size in sizes:
        each = size / responses
        if each < LEAST:
            rest += each
        else:
            report.add(f"{what}: {kind} {name}", each, unit=" B", **{"in all, MB": size / 1e6})
    report.add(f"{what}: all others", rest, unit=" B")
    report.add(f"{what}: in all", total / responses, unit=" B", **{"in all, MB": total / 1e6})


def _sizes(tx: Transaction) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in tx.rows(SIZES[SQLITE if tx.dialect == SQLITE else "postgresql"])]
