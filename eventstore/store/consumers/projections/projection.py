"""`Projection`: the class that a projection of one's own derives from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import (
    CHAR,
    NCHAR,
    Boolean,
    Column,
    Enum,
    Float,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Table,
    UniqueConstraint,
)

from eventstore.brief import brief
from eventstore.errors import InvalidInputError
from eventstore.realtime.events import StoredEvent
from eventstore.store.database.tables import declared as tables

State = TypeVar("State")

#: What `rows` and `project` return: the rows of each table, by the table or its name, each row a
#: mapping by column. The rows alone do if the projection has one table.
Rows = (
    Mapping[Table, Iterable[Mapping[str, Any]]]
    | Mapping[str, Iterable[Mapping[str, Any]]]
    | Iterable[Mapping[str, Any]]
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
#: Names of tables of the store's own that are not declared. SQLite itself keeps the search index
#: `said` in some tables.
_UNDECLARED = frozenset(
    {"alembic_version", "said", "said_rows", "said_words"}
    | {f"said_{part}" for part in ("config", "content", "data", "docsize", "idx")}
)
#: What names of the databases' own tables begin with.
_RESERVED = ("sqlite_", "pg_")
_STORE_INDEXES = frozenset(
    index.name for table in tables.metadata.tables.values() for index in table.indexes
)
#: Columns that each table of PostgreSQL has already.
_KEPT_NAMES = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})
_TYPES = (Integer, Float, Boolean, String, LargeBinary)


class Projection(Generic[State]):
    """A projection of one's own: it makes rows of tables out of each session's events.

    Derive from it, and give an object of the class to `EventStore`, or name the class by an entry
    point of the group `eventstore.projections`. Either define `begin`, `evolve` and `rows`: the
    state of a session, folded from its events one by one. Or define `project`: the rows of a
    session as a whole, from its resources.

    What these methods do must depend on their arguments alone, since a rebuild calls them again.
    They never stop an append nor another projection: if one raises, takes too long or returns no
    rows, the session is marked, and tried again later.

    Attributes:
        name: Its name: small letters, digits and underscores. It stays the same for good.
        version: Raise it whenever the same events give other rows. Each session's rows are then
            replaced in one transaction; until then the old ones are read.
        tables: Its tables, of which `session_id`, a text, is the first column of the primary key.
            They are made when the projection is added. If a later version needs other columns, give
            the table another name. Columns are integers, floats, booleans, texts or bytes. In an
            encrypted store, texts and bytes outside of the primary key are encrypted.
        inline: True writes the rows in the transaction that appends the events. False leaves them
            to `EventStore.project` (the command `eventstore project --follow`).
        types: Only events of these types are given to `evolve`; None for all.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    tables: ClassVar[Sequence[Table]] = ()
    inline: ClassVar[bool] = False
    types: ClassVar[Sequence[str] | None] = None

    def begin(self, session_id: str) -> State:
        """Return the state of a session without events.

        Args:
            session_id: The session's id.
        """
        raise NotImplementedError

    def evolve(self, state: State, event: StoredEvent) -> State:
        """Return the state after one more event. The old state may be changed and returned.

        Args:
            state: The state after all events before.
            event: The event; `event.body` is its parsed JSON.
        """
        raise NotImplementedError

    def rows(self, state: State) -> Rows:
        """Return all rows of a session, without the column `session_id`.

        Args:
            state: The session's state.
        """
        raise NotImplementedError

    def project(self, session: dict[str, Any]) -> Rows:
        """Return all rows of a session, without the column `session_id`.

        Define it in place of `begin`, `evolve` and `rows`.

        Args:
            session: The session's resources, as `EventStore.state` returns them, but with the
                secrets that apps put into them: `session`, `conversations`, `responses`, `usage`.
        """
        raise NotImplementedError


def folds(projection: Projection[Any]) -> bool:
    """Return True if a projection folds events; False if it projects whole sessions."""
    return type(projection).evolve is not Projection.evolve


def checked_projections(projections: object) -> list[Projection[Any]]:
    """Return the projections that a store is given.

    Raises:
        InvalidInputError: They are no list, two have the same name, or one is not declared as it
            must be.
    """
    if isinstance(projections, str) or not isinstance(projections, Iterable):
        raise InvalidInputError("projections has to be a list of objects; see docs/projections.md")
    found = list(projections)
    for one in found:
        check_projection(one)
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(f"two of the projections have the name {name}")
    return found


def check_projection(projection: object) -> None:
    """Check that a projection is declared as it must be.

    Raises:
        InvalidInputError: It is not; the message says what is wrong.
    """
    if isinstance(projection, type) and issubclass(projection, Projection):
        told = f"{projection.__name__} is a class: give an object, {projection.__name__}()"
        raise InvalidInputError(told)
    if not isinstance(projection, Projection):
        raise InvalidInputError(f"{brief(projection)} is no projection: derive from Projection")
    name = projection.name
    if not isinstance(name, str) or not _NAME.match(name):
        raise _wrong(projection, "its name has to be small letters, digits and underscores")
    version = projection.version
    if type(version) is not int or not 0 < version < 2**31:
        raise _wrong(projection, "its version has to be a whole number from 1")
    whole = type(projection).project is not Projection.project
    parts = [getattr(type(projection), one) for one in ("begin", "evolve", "rows")]
    own = [one is not getattr(Projection, one.__name__, None) for one in parts]
    if whole == any(own) or any(own) != all(own):
        raise _wrong(projection, "define begin, evolve and rows, or project alone")
    if whole and projection.inline:
        raise _wrong(projection, "a projection of whole sessions cannot be inline")
    if not _are_types(projection.types):
        raise _wrong(projection, 'its types have to be a list, such as ["response.done"], or None')
    if not isinstance(projection.tables, list | tuple) or not projection.tables:
        raise _wrong(projection, "its tables have to be a list of one table or more")
    for table in projection.tables:
        _check_table(projection, table)
    if len({table.name for table in projection.tables}) < len(projection.tables):
        raise _wrong(projection, "two of its tables have one name")


def _are_types(types: object) -> bool:
    if isinstance(types, list | tuple | set | frozenset):
        return all(isinstance(one, str) for one in types)
    return types is None


def can_be_table(name: object) -> bool:
    """Return True if a projection can have a table of this name: it is none of the store's own."""
    if not isinstance(name, str) or not _NAME.match(name):
        return False
    return name not in tables.metadata.tables and name not in _UNDECLARED


def _check_table(projection: Projection[Any], table: object) -> None:
    if not isinstance(table, Table):
        raise _wrong(projection, f"{brief(table)} is no table of SQLAlchemy")
    is_taken = table.name in _STORE_INDEXES or table.name.startswith(_RESERVED)
    if not can_be_table(table.name) or is_taken or table.schema is not None:
        raise _wrong(projection, f"no table can have the name {brief(table.fullname)}")
    keys = list(table.primary_key.columns)
    if not keys or keys[0].name != "session_id" or not isinstance(keys[0].type, String):
        raise _wrong(projection, f"the primary key of {table.name} has to begin with session_id")
    is_unique = any(isinstance(one, UniqueConstraint) for one in table.constraints)
    if table.foreign_keys or is_unique or any(index.unique for index in table.indexes):
        raise _wrong(projection, f"{table.name} has foreign keys or unique indexes")
    for column in table.columns:
        _check_column(projection, table, column)


def _check_column(projection: Projection[Any], table: Table, column: Column[Any]) -> None:
    is_number = isinstance(column.type, Numeric) and not isinstance(column.type, Float)
    # An Enum of SQLAlchemy is a type of PostgreSQL's own, which outlives its table. CHAR pads texts
    # there, so that a row is not what was written.
    if (
        not isinstance(column.type, _TYPES)
        or is_number
        or isinstance(column.type, Enum | CHAR | NCHAR)
    ):
        told = f"{table.name}.{column.name} is of the type {column.type!r}"
        raise _wrong(projection, f"{told}; use integers, floats, booleans, texts or bytes")
    is_named = _NAME.match(column.name) is not None and column.name not in _KEPT_NAMES
    if not is_named or column.computed is not None or column.identity is not None:
        told = f"no column can be {table.name}.{brief(column.name)}"
        raise _wrong(projection, f"{told}: names are small letters, digits and underscores")


def _wrong(projection: Projection[Any], told: str) -> InvalidInputError:
    return InvalidInputError(f"the projection {brief(projection.name)}: {told}")
