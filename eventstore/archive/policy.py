"""Read retention policies: rules in a TOML or JSON file that seal and erase sessions by their age.

Called by the command `retain`; retain.py applies the rules.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eventstore.archive.erase import check_reason
from eventstore.common.small_files import read_small_file
from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.filters.filters import read_conditions
from eventstore.times import parse_age


def _reason(value: str | None) -> str | None:
    try:
        check_reason(value)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    return value


class RetentionRule(BaseModel):
    """One rule of a policy: what is done, and with which closed sessions.

    Attributes:
        older_than: The sessions were closed longer ago than this, in microseconds. In a file it is
            an age such as `30d`.
        metadata: Conditions on the sessions' metadata. All of them must hold.
        do: What is done: seal the sessions, erase them, or erase only their audio. `archive` is
            the old name of `seal`.
        reason: Why sessions are erased, for their tombstones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    older_than: Annotated[int, BeforeValidator(parse_age)]
    metadata: Annotated[tuple[Condition, ...], BeforeValidator(read_conditions)] = ()
    do: Literal["seal", "archive", "erase", "erase-audio"]
    reason: Annotated[str | None, AfterValidator(_reason)] = None


class Policy(BaseModel):
    """A retention policy: its rules, in the order in which they are applied."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rule: tuple[RetentionRule, ...] = Field(min_length=1)


def read_policy(path: Path) -> Policy:
    """Read a policy from a file: JSON if the file's name ends in `.json`, otherwise TOML.

    Raises:
        InvalidInputError: The file cannot be read, or is no policy. The error says where.
    """
    try:
        text = read_small_file(path)
        value = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return Policy.model_validate(value)
    except OSError as error:
        raise InvalidInputError(f"cannot read {path}: {error.strerror or error}") from error
    except ValidationError as error:
        raise InvalidInputError(f"{path}: {_first(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path} is no policy: {error}") from error
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from error


def _first(error: ValidationError) -> str:
    """Return the first fault in a policy with its place, such as `rule 2 older_than: …`."""
    first = error.errors()[0]
    place = [part + 1 if isinstance(part, int) else part for part in first["loc"]]
    where = " ".join(map(str, place))
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
