"""Fill the read models with many responses, each like those of the demo call."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from benchmarks import sessions
from benchmarks.databases import SQLITE, Databases, driver_connection
from benchmarks.multiply import Copies, copied_id, multiply
from benchmarks.rounds import progress
from benchmarks.score_fill import score_rows
from eventstore import EventStore
from eventstore.projection.figures import step_us
from eventstore.realtime.values import dumps
from eventstore.store.database.tables.declared import metadata
from eventstore.store.readmodels.words.index_words import WORDS, fts_words, tsvector_of

TABLES = (
    *("streams", "sessions", "session_metadata", "conversations", "items", "responses"),
    *("response_metadata", "response_facets", "usage"),
    *("session_figures", "session_facets", "session_costs"),
    "said",
    "said_rows",
    "scores",
)
EACH_SESSION = 10
EACH_CUSTOMER = 1000
OPEN = 20  # of the sessions, the newest
EVERY_US = 1_700_000  # a response about every two seconds: a million in three weeks
CHUNK = 20_000
#: Up to how many responses are made one by one; of more, this many are, and then copied.
MOST_MADE, MADE = 1_000_000, 200_000

STATUSES = (("completed", 92), ("cancelled", 5), ("failed", 2), ("incomplete", 1))
MODELS = (("gpt-realtime", 70), ("gpt-realtime-mini", 25), ("gpt-4o-realtime-preview", 5))
CALLED = (("lookup_order", 30), ("cancel_order", 3), ("transfer", 0.05))
#: How usage is told, as `Reported` has it: with audio, of text alone, not told apart, large.
REPORTED = (65, 65, 65, 65, 65, 65, 1, 1, 67, 81)
LANGUAGES = (("en", 80), ("de", 15), ("pt", 4.9), ("is", 0.1))
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u")]
KANJI = [chr(0x4E00 + number * 7) for number in range(400)]
PARTICLES = ("は", "の", "を", "に", "です。")
#: Where responses speak Japanese or call tools, every tenth does, and every other tenth.
EACH_JAPANESE = EACH_CALL = 10
TOOLS = 40


class Filled(NamedTuple):
    """What to ask for."""

    responses: int
    customers: list[str]
    keys: list[tuple[str, str]]
    start: int


class Template(NamedTuple):
    """Rows of one real response, by table, as dictionaries."""

    rows: dict[str, dict[str, Any]]
    ids: dict[str, str]


def fill(
    databases: Databases,
    backend: str,
    url: str,
    count: int,
    until: int | None = None,
    is_mixed: bool = False,
    is_scored: bool = False,
) -> Filled:
    """Write `count` responses with their items, metadata, usage and sessions, and analyse.

    Args:
        until: when the last one is, in microseconds; None for as long behind the sample call as
            they take.
        is_mixed: some speak Japanese, and some call tools.
        is_scored: there are scores (benchmarks/score_fill.py).
    """
    template = _template(databases)
    first = template.rows["responses"]
    start = int(first["at"]) if until is None else until - count * EVERY_US
    of_these = MADE if count >= 2 * MOST_MADE else count
    copies = Copies(count // of_these - 1, of_these * EVERY_US, max(1, of_these // EACH_CUSTOMER))
    count = of_these * (copies.count + 1)
    first["at"] = start + copies.count * copies.earlier_us
    chance = random.Random(7)
    customers = [f"customer-{n:05d}" for n in range(max(1, count // EACH_CUSTOMER))]
    of_customers = customers[: copies.customers]
    made = _rows(template, of_these, chance, of_customers, is_mixed, is_scored, backend)
    with driver_connection(url) as connection:
        indexes = _without_indexes(connection, backend, copies.count > 0)
        if backend == SQLITE:
            connection.execute("PRAGMA cache_size=-1000000")
        done = 0
        while chunk := list(islice(made, CHUNK)):
            for table in TABLES:
                rows = [row for response in chunk for row in response.get(table, ())]
                _write(connection, backend, table, rows)
            connection.commit()
            done += len(chunk)
            progress(f"query: {backend}, {done:,} of {of_these:,} responses")
        if copies.count:
            multiply(connection, backend, TABLES, copies)
        for statement in indexes:
            connection.execute(statement)
        connection.commit()
        _analyse(connection, backend)
    keys = [_copied(n, of_these) for n in chance.sample(range(count), min(count, 5000))]
    return Filled(count, customers, keys, start)


def _copied(number: int, of_these: int) -> tuple[str, str]:
    """Return the ids of a response, which may be one of a copy."""
    ids, copy = _ids(number % of_these), number // of_these
    return (copied_id(ids[0], copy), copied_id(ids[1], copy)) if copy else ids


def _template(databases: Databases) -> Template:
    """The rows that the demo call's second response made."""
    with databases.fresh(SQLITE) as url, EventStore(url) as store:
        store.append("sess_template", sessions.voice(1204))
        with store.engine.connect() as connection:
            run = connection.exec_driver_sql
            response = run("SELECT * FROM responses ORDER BY at LIMIT 1 OFFSET 1").mappings().one()
            of_it = ("sess_template", response["response_id"])
            by_response = "SELECT * FROM {} WHERE session_id = ? AND response_id = ?"
            rows = {
                "responses": dict(response),
                "items": dict(run(by_response.format("items"), of_it).mappings().first() or {}),
                "usage": dict(run(by_response.format("usage"), of_it).mappings().first() or {}),
            }
            for table in ("streams", "sessions", "conversations"):
                rows[table] = dict(run(f"SELECT * FROM {table}").mappings().first() or {})
    ids = {"session": "sess_template", "response": response["response_id"]}
    return Template(rows, ids | {"item": rows["items"]["item_id"]})


def _ids(number: int) -> tuple[str, str]:
    """The ids of a response's session and of the response, as scattered as real ones."""
    scattered = (number * 2654435761) % 2**32
    session = ((number // EACH_SESSION) * 2246822519) % 2**32
    return f"sess_C{session:08x}Realtime000", f"resp_C{scattered:08x}Realtime000"


def _rows(
    template: Template,
    count: int,
    chance: random.Random,
    customers: list[str],
    is_mixed: bool,
    is_scored: bool,
    backend: str,
) -> Iterator[dict[str, list[tuple[Any, ...]]]]:
    """The rows of each response, by table."""
    words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(20_000)]
    common = words[:400]
    nouns = ["".join(chance.choices(KANJI, k=2)) for _ in range(20_000)]
    statuses, models = (zip(*pairs, strict=True) for pairs in (STATUSES, MODELS))
    status_names, status_weights = statuses
    model_names, model_weights = models
    base = template.rows["responses"]
    customer = customers[0]
    docids = 1
    for number in range(count):
        session, response = _ids(number)
        item = "item" + response[4:]
        at = base["at"] + number * EVERY_US + chance.randrange(EVERY_US)
        if number % EACH_SESSION == 0:
            customer = chance.choice(customers)
        said = " ".join([*chance.choices(common, k=18), *chance.choices(words, k=4)])
        if is_mixed and number % EACH_JAPANESE == 1:
            said = _japanese(chance, nouns)
        status = chance.choices(status_names, status_weights)[0]
        model = chance.choices(model_names, model_weights)[0]
        tokens = chance.randrange(200, 2000)
        replaced = {
            template.ids["session"]: session,
            template.ids["response"]: response,
            template.ids["item"]: item,
        }
        same = {"session_id": session, "response_id": response, "at": at, "model": model}
        rows = {
            "responses": [_row(template, "responses", replaced, **same, status=status,
                               total_tokens=tokens,
                               answer_us=round(chance.lognormvariate(13.3, 0.5)),
                               duration_us=round(chance.lognormvariate(15, 0.7)))],
            "response_facets": [(session, response, "tool", tool) for tool, share in CALLED
                                if chance.random() * 100 < share],
            "items": [_row(template, "items", replaced, session_id=session, item_id=item,
                           response_id=response, said=said, at=at)],
            "usage": [_row(template, "usage", replaced, **same, usage_id=f"response/{response}",
                           reported=REPORTED[number % len(REPORTED)])],
            "response_metadata": [
                (session, response, key, value, 1, at)
                for key, value in (
                    ("customer", customer), ("env", "prod"), ("turn", str(number % EACH_SESSION))
                )
            ],
        }  # fmt: skip
        if is_mixed and number % EACH_CALL == 2:
            rows["items"].append(_call(rows["items"][0], chance, words))
        if backend == SQLITE:
            found = [(row[1], fts_words(row)) for row in rows["items"]]
            rows["said"] = [(docid, text) for docid, (_, text) in enumerate(found, docids)]
            rows["said_rows"] = [
                (session, id_, docid) for docid, (id_, _) in enumerate(found, docids)
            ]
            docids += len(found)
        if number % 500 == 0:
            rows["response_metadata"].append((session, response, "escalated", "yes", 1, at))
        if is_scored:
            is_first = number % EACH_SESSION == 0
            rows["scores"] = score_rows(session, response, at, model, is_first)
        if number % EACH_SESSION == 0:
            is_open = number + OPEN * EACH_SESSION >= count
            rows |= _session_rows(template, replaced, session, at, model, customer, is_open)
        yield rows


def _japanese(chance: random.Random, nouns: list[str]) -> str:
    """A turn of twelve words in Japanese: four of them common, and no space."""
    chosen = [*chance.choices(nouns[:400], k=8), *chance.choices(nouns, k=4)]
    return "".join(noun + chance.choice(PARTICLES) for noun in chosen)


def _call(item: tuple[Any, ...], chance: random.Random, words: list[str]) -> tuple[Any, ...]:
    """The row of an item that calls a tool, beside what was said."""
    tool = chance.randrange(TOOLS)
    arguments = {"order_id": f"A-{chance.randrange(10**6)}", "city": chance.choice(words)}
    call = {
        "type": "function_call",
        "name": f"{('get', 'find')[tool % 2]}_{words[tool]}",
        "arguments": dumps(arguments),
    }
    named = dict(zip((c.name for c in metadata.tables["items"].columns), item, strict=True))
    named |= {"item_id": f"{named['item_id']}c", "type": "function_call", "role": None, "said": ""}
    return tuple((named | {"resource": dumps(call)}).values())


def _session_rows(
    template: Template,
    replaced: dict[str, str],
    session: str,
    at: int,
    model: str,
    customer: str,
    is_open: bool,
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of a session, by table: one in eight interrupted, one in a hundred with errors."""
    chance = random.Random(session)
    changed = {
        **{"session_id": session, "at": at, "opened_at": at, "model": model},
        "last_at": at + EVERY_US,
        **{"closed": int(not is_open), "closed_at": None if is_open else at + EVERY_US},
        **{"interruptions": int(chance.random() < 0.125), "errors": int(chance.random() < 0.01)},
    }
    rows = {
        table: [_row(template, table, replaced, **changed)]
        for table in ("streams", "sessions", "conversations")
    }
    rows["session_figures"] = [_figures(chance, session, at, changed)]
    rows["session_facets"] = [
        *((session, "tool", tool) for tool, share in CALLED if chance.random() * 40 < share),
        (session, "language", chance.choices(*zip(*LANGUAGES, strict=True))[0]),
    ]
    rows["session_costs"] = [(session, at, "", -1.0, 0)]
    pairs = {"customer": customer, "env": "prod"}
    if chance.random() < 0.0005:
        pairs["reviewed"] = "yes"
    rows["session_metadata"] = [(session, key, value, at) for key, value in pairs.items()]
    return rows


def _figures(chance: random.Random, session: str, at: int, changed: dict[str, Any]) -> Any:
    """The row of what a session is sorted by."""
    turns = min(60, 2 + round(chance.expovariate(0.15)))
    slowest, length = chance.lognormvariate(14, 0.4), chance.lognormvariate(18.5, 0.8)
    lengths = (round(length), None) if changed["closed"] else (None, step_us(EVERY_US))
    return session, at, turns, changed["interruptions"], round(slowest), at, *lengths


def _row(
    template: Template, table: str, replaced: dict[str, str], **changed: Any
) -> tuple[Any, ...]:
    row = template.rows[table]
    made = {name: changed.get(name, value) for name, value in row.items()}
    for text in ("resource", "wire", "notes"):
        for old, new in replaced.items() if text in made else ():
            made[text] = made[text].replace(old, new)
    return tuple(made[column.name] for column in metadata.tables[table].columns)


def _write(connection: Any, backend: str, table: str, rows: list[tuple[Any, ...]]) -> None:
    if not rows or (backend != SQLITE and table.startswith("said")):
        return
    if backend != SQLITE:
        names = [column.name for column in metadata.tables[table].columns]
        if table == "items":
            names.append(WORDS)
            rows = [(*row, tsvector_of(row)) for row in rows]
        columns = ", ".join(names)
        with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    into = {"said": "said (rowid, text)"}.get(table, table)
    marks = ", ".join("?" * len(rows[0]))
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)


def _without_indexes(connection: Any, backend: str, is_large: bool) -> Iterable[str]:
    """Drop what can be made again quickly once the rows are there; the statements that do.

    Args:
        is_large: primary keys are dropped, too, where the database keeps them beside the rows.
    """
    if backend == SQLITE:
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
    else:
        found = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " AND indexname NOT LIKE '%_pkey' AND tablename <> 'alembic_version'"
        ).fetchall()
    for name, _ in found:
        connection.execute(f"DROP INDEX {name}")
    keys = []
    if backend != SQLITE and is_large:
        keys = connection.execute(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE contype = 'p' AND conrelid::regclass::text = ANY(%s)",
            (list(TABLES),),
        ).fetchall()
        for table, name, _ in keys:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    connection.commit()
    again = [f"ALTER TABLE {table} ADD CONSTRAINT {name} {key}" for table, name, key in keys]
    return [*again, *(statement for _, statement in found)]


def _analyse(connection: Any, backend: str) -> None:
    if backend == SQLITE:
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return
    connection.autocommit = True
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
