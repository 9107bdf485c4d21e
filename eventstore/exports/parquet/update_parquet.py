"""Keep a folder of Parquet files in step with a store: write only what has changed.

The rows of each table are in files by day. What the target has is compared with what the store has:
a file whose sessions, or any version of one of them, differ is written anew and replaced as a
whole. So nothing is kept in the store, and it does not matter why a session changed: it went on, it
was scored, rebuilt, erased or moved away. Called by the command `export --since-last` and as
`eventstore.update_parquet`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from eventstore.common.version import VERSION
from eventstore.errors import (
    ErasedError,
    Failure,
    InvalidInputError,
    NotFoundError,
)
from eventstore.exports.parquet.columns import TABLES
from eventstore.exports.parquet.folder_target import FolderTarget
from eventstore.exports.parquet.manifest import Manifest, PartFiles, read_manifest
from eventstore.exports.parquet.object_target import ObjectTarget, local_folder
from eventstore.exports.parquet.parts import Contents, Days, Part, counts_of, part_of_name
from eventstore.exports.parquet.rows import batches, read_rows
from eventstore.exports.parquet.table_file import TableFile
from eventstore.exports.parquet.targets import MANIFEST, Target
from eventstore.exports.parquet.write_parquet import write_tables
from eventstore.realtime.values import dumps
from eventstore.store.database.engine_options import prices_of
from eventstore.store.database.identity import STORE_ID, make_store_id
from eventstore.store.database.retries import write_retried
from eventstore.store.database.transaction import read
from eventstore.store.filters.filters import SessionFilter, checked_filter
from eventstore.store.queries.session_versions import session_versions

if TYPE_CHECKING:
    from eventstore.store.sessions.log import Log

#: Raised if the rows of a session are made in another way, so that all files are written anew.
#: A new version of the package does the same.
ROWS_VERSION = 1
#: A file without rows, so that each table can be read before it has any.
EMPTY = "day=1970-01-01/empty.parquet"
# The manifest is written again after so many seconds, so that a killed run loses no more work.
_SAVED_EACH = 30.0


class Updated(NamedTuple):
    """What a run has changed.

    Attributes:
        sessions: How many sessions are in the parts that were written.
        rows: How many rows were written, by table.
        written: How many parts were written.
        removed: How many parts were removed, because no session is left in them.
        unchanged: How many parts were left as they are.
        bytes: How large the files are that were written.
    """

    sessions: int
    rows: dict[str, int]
    written: int
    removed: int
    unchanged: int
    bytes: int


def update_parquet(
    log: Log,
    target: str | Path,
    filters: Mapping[str, Any] | None = None,
    restart: bool = False,
    progress: Callable[[int], None] | None = None,
    failures: list[Failure] | None = None,
) -> Updated:
    """Bring a folder of Parquet files in step with a store, and write only what has changed.

    The folder has a folder for each table: `sessions`, `responses`, `items`, `usage` and `scores`.
    In it are files by the day on which sessions began: `day=2026-05-04/part-00-of-01.parquet`. Each
    file is replaced as a whole. If the run is killed, run it again.

    Args:
        log: The store.
        target: A folder, or a URL of fsspec's such as `s3://bucket/tables` without credentials.
        filters: Which sessions: see `SessionFilterParams`; None for all. They stay the same for a
            target.
        restart: True writes everything anew, also if the target was of another store or had other
            filters.
        progress: Called with the number of sessions that were written so far.
        failures: Sessions that cannot be read are added here and left out. None raises the error
            of the first one.

    Raises:
        InvalidInputError: The target cannot be used, or is of another store or has other filters.
        EventStoreError: Another run is writing there.
        MissingKeyError: The store is encrypted, and its keys were not named.
        StorageUnavailableError: The target cannot be reached.
        MissingExtraError: `pyarrow` is not installed.
    """
    chosen = checked_filter(SessionFilter, filters or {})
    place = _target_of(target)
    with read(log.engine) as tx:
        tx.keys.check(tx)  # Without its keys, all sessions would fail and be left out of the files.
    with place.locked():
        update = _Update(log, place, chosen, progress, failures)
        return update.run(restart)


def _target_of(target: str | Path) -> Target:
    text = str(target)
    if not text or "\0" in text:
        raise InvalidInputError("name a folder, or a URL such as s3://bucket/tables")
    if "://" not in text:
        return FolderTarget(Path(text))
    folder = local_folder(text)
    return ObjectTarget(text) if folder is None else FolderTarget(folder)


def _store_id(log: Log) -> str:
    with read(log.engine) as tx:
        row = tx.row(STORE_ID)
    return str(row[0]) if row is not None else write_retried(log.engine, make_store_id)


def _part_of(name: str) -> Part | None:
    """Return the part that a file of a table belongs to, or None if it is no part's."""
    return part_of_name(name.partition("/")[2])


def _check_foreign(files: Mapping[str, str], shown: str) -> None:
    """Raise InvalidInputError if readers would find files that no export wrote."""
    for name in files:
        is_own = _part_of(name) is not None or name.partition("/")[2] == EMPTY
        if name.endswith(".parquet") and not is_own:
            raise InvalidInputError(
                f"{shown}/{name} is no file of this export, and would be read with its files; move"
                " it away"
            )


def _as_json(filters: SessionFilter) -> dict[str, Any]:
    named = {name: getattr(filters, name) for name in sorted(filters.named())}
    told: dict[str, Any] = json.loads(json.dumps(named))
    return told


class _Plan(NamedTuple):
    """What is to be done: parts to write, files to delete, and how many parts stay."""

    write: list[Part]
    delete: list[str]
    removed: int
    unchanged: int
    empty: bool


class _Update:
    def __init__(
        self,
        log: Log,
        target: Target,
        filters: SessionFilter,
        progress: Callable[[int], None] | None,
        failures: list[Failure] | None,
    ) -> None:
        self._log, self._target, self._filters = log, target, filters
        self._progress, self._failures = progress, failures
        self._bytes = self._sessions = 0
        self._rows = dict.fromkeys(TABLES, 0)
        self._salt = f"{ROWS_VERSION} {VERSION} {prices_of(log.engine).fingerprint}"
        self._manifest = Manifest(_store_id(log), _as_json(filters))

    def run(self, restart: bool) -> Updated:
        files = self._target.files(TABLES)
        self._take_manifest(files, restart)
        _check_foreign(files, self._target.shown)
        plan = self._plan(files)
        if plan.write or plan.delete or plan.empty:
            self._carry_out(plan)
        return Updated(
            self._sessions,
            self._rows,
            len(plan.write),
            plan.removed,
            plan.unchanged,
            self._bytes,
        )

    def _take_manifest(self, files: Mapping[str, str], restart: bool) -> None:
        """Read what the target has; with `restart` nothing counts as known."""
        if restart:
            return
        found = read_manifest(self._target.read(MANIFEST))
        shown = self._target.shown
        if found is None and files:
            raise InvalidInputError(
                f"{shown} has files but no manifest of an export; name another folder, or write"
                " everything anew with --restart"
            )
        if found is None:
            return
        if found.store != self._manifest.store:
            raise InvalidInputError(
                f"{shown} has the files of another store; name another folder, or replace them"
                " with --restart"
            )
        if found.filters != self._manifest.filters:
            raise InvalidInputError(
                f"{shown} was made with other filters ({dumps(found.filters)}); name another"
                " folder, or write everything anew with --restart"
            )
        self._manifest.parts = found.parts

    def _plan(self, files: Mapping[str, str]) -> _Plan:
        days = Days()
        for version in session_versions(self._log.engine, self._filters):
            days.add(version)
        known = filter(None, map(_part_of, files))
        wanted, write = set(), []
        for part, contents in days.parts(counts_of(known)):
            wanted.add(part.name)
            if not self._is_right(part.name, contents.digest(self._salt), files):
                write.append(part)
        empty = not self._is_right(EMPTY, Contents().digest(self._salt), files)
        delete = [name for name in files if (old := _part_of(name)) and old.name not in wanted]
        removed = {name.partition("/")[2] for name in delete}
        return _Plan(write, delete, len(removed), len(wanted) - len(write), empty)

    def _is_right(self, name: str, digest: str, files: Mapping[str, str]) -> bool:
        """Return True if a part was made of the same, and its files are those that were written."""
        known = self._manifest.parts.get(name)
        if known is None or known.digest != digest:
            return False
        return all(files.get(f"{table}/{name}") == known.tags.get(table) for table in TABLES)

    def _carry_out(self, plan: _Plan) -> None:
        # A killed run leaves files that no entry tells of; where a storage has tags that change
        # with the contents, these would tell it as well.
        for part in plan.write:
            self._manifest.parts.pop(part.name, None)
        for name in plan.delete:
            self._manifest.parts.pop(name.partition("/")[2], None)
        self._save()
        for name in plan.delete:
            self._target.delete(name)
        if plan.empty:
            self._write_empty()
        saved = time.monotonic()
        for part in plan.write:
            self._target.keep()
            self._write(part)
            if time.monotonic() > saved + _SAVED_EACH:
                self._save()
                saved = time.monotonic()
        self._save()

    def _save(self) -> None:
        self._target.keep()
        self._target.write(MANIFEST, self._manifest.written())

    def _write_empty(self) -> None:
        with ExitStack() as stack:
            files = self._opened(stack)
            for file in files.values():
                file.finish()
            tags = {table: self._put(table, EMPTY, file) for table, file in files.items()}
        self._manifest.parts[EMPTY] = PartFiles(Contents().digest(self._salt), tags)

    def _write(self, part: Part) -> None:
        contents, has_failed = Contents(), False
        tags: dict[str, str] = {}
        with ExitStack() as stack:
            files = self._opened(stack)
            for ids in batches(self._sessions_of(part)):
                has_failed |= self._read(ids, files, contents)
            for table, file in files.items():
                file.finish()
                if file.rows:
                    tags[table] = self._put(table, part.name, file)
                else:
                    self._target.delete(f"{table}/{part.name}")
                self._rows[table] += file.rows
        # A session that could not be read is tried again by the next run.
        digest = "" if has_failed else contents.digest(self._salt)
        self._manifest.parts[part.name] = PartFiles(digest, tags)

    def _sessions_of(self, part: Part) -> Iterator[str]:
        since, until = self._filters.since, self._filters.until
        within = replace(
            self._filters,
            since=part.since if since is None else max(since, part.since),
            until=part.until if until is None else min(until, part.until),
        )
        seen = set()
        for version in session_versions(self._log.engine, within):
            # A session whose time has changed meanwhile comes twice.
            if version.session_id not in seen:
                seen.add(version.session_id)
                yield version.session_id

    def _read(self, ids: list[str], files: Mapping[str, TableFile], contents: Contents) -> bool:
        """Write the rows of sessions; return True if one of them could not be read."""
        failed: list[Failure] = []
        for found in read_rows(self._log, ids, failed):
            write_tables(list(files.values()), found)
            for version in found.versions:
                contents.add(version)
            self._sessions += found.sessions
        if self._progress is not None:
            self._progress(self._sessions)
        self._target.keep()
        # A session that was erased or moved away meanwhile is rightly not there.
        failed = [one for one in failed if not isinstance(one.error, ErasedError | NotFoundError)]
        if failed and self._failures is None:
            raise failed[0].error
        (self._failures if self._failures is not None else []).extend(failed)
        return bool(failed)

    def _opened(self, stack: ExitStack) -> dict[str, TableFile]:
        notes = {
            "eventstore.store": self._manifest.store,
            "eventstore.version": VERSION,
            "eventstore.rows_version": str(ROWS_VERSION),
        }
        place = self._target.scratch
        return {
            table: stack.enter_context(TableFile(place / f"{table}.part", columns, notes))
            for table, columns in TABLES.items()
        }

    def _put(self, table: str, name: str, file: TableFile) -> str:
        self._bytes += file.partial.stat().st_size
        return self._target.put(f"{table}/{name}", file.partial)
