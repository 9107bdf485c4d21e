"""Who may do what: bearer keys, each bound to rights and, where wanted, to one tenant. Pure.

A file of keys is TOML:

    [[key]]
    name = "dashboard"
    key = "…"                            # or sha256 = "…", of the key, in hexadecimal
    rights = ["read"]                    # of read, raw, append and erase
    metadata = { customer = "42" }       # a pair: other sessions do not exist for it
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eventstore.errors import InvalidInputError
from eventstore.realtime.metadata import Condition
from eventstore.store.filters.filters import BasicFilter, checked_filter

Right = Literal["read", "raw", "append", "erase"]
#: `read` sees secrets masked; with `raw` beside it, frames are read as they are.
RIGHTS: frozenset[Right] = frozenset({"read", "raw", "append", "erase"})
#: Shorter ones could be guessed.
KEY_LENGTH = 16


class Access(NamedTuple):
    """What a key opens.

    Attributes:
        name: of the key, for logs.
        rights: what it may do.
        scope: the pair that a session must have; None for all sessions.
    """

    name: str
    rights: frozenset[Right] = RIGHTS
    scope: Condition | None = None


#: By the SHA-256 of keys, so that looking one up takes as long whatever it is.
AccessKeys = Mapping[bytes, Access]


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.@ -]+$")]
    key: Annotated[str, Field(min_length=KEY_LENGTH, pattern=r"^[!-~]+$")] | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    rights: frozenset[Right] = frozenset({"read"})
    metadata: Annotated[dict[str, str], Field(min_length=1, max_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> _Key:
        if (self.key is None) == (self.sha256 is None):
            raise ValueError("give key or sha256, one of them")
        return self


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    key: Annotated[list[_Key], Field(min_length=1)]


def digest(key: str) -> bytes:
    """What a key is looked up by."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def one_key(key: str) -> AccessKeys:
    """A single key, which may do everything.

    Raises:
        InvalidInputError: it is too short, or has characters that no header takes.
    """
    if len(key) < KEY_LENGTH or not all("!" <= character <= "~" for character in key):
        raise InvalidInputError(f"an API key has {KEY_LENGTH} or more visible ASCII characters")
    return {digest(key): Access("EVENTSTORE_API_KEY")}


def parse_keys(text: str) -> AccessKeys:
    """The keys of a file.

    Raises:
        InvalidInputError: what is wrong, in one line, without any key.
    """
    try:
        listed = _Keys.model_validate(tomllib.loads(text)).key
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"the file of keys is no TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidInputError(f"the file of keys: {place}: {message}") from error
    found: dict[bytes, Access] = {}
    for one in listed:
        hashed = bytes.fromhex(one.sha256) if one.sha256 is not None else digest(one.key or "")
        if hashed in found:
            raise InvalidInputError(f"the file of keys: {one.name} has the key of another")
        scope = None
        if one.metadata is not None:
            (scope,) = checked_filter(BasicFilter, {"metadata": one.metadata}).metadata
        found[hashed] = Access(one.name, one.rights, scope)
    return found
