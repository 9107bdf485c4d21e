"""API keys and their rights: reads a file of keys, and says what each key may do. Pure.

Called by `web/running.py`, which reads the file, and by `requests.py`, which looks up the key of
each request. A file of keys is TOML:

    [[key]]
    name = "dashboard"
    key = "…"                            # or sha256 = "…", of the key, in hexadecimal
    rights = ["read"]                    # of read, raw, append, score, send and erase
    metadata = { customer = "42" }       # optional: the key sees only sessions with this pair
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

Right = Literal["read", "raw", "append", "score", "send", "erase"]
#: `read` sees secrets masked; with `raw` beside it, frames are read as they are. `send` has
#: webhooks sent again that were given up.
RIGHTS: frozenset[Right] = frozenset({"read", "raw", "append", "score", "send", "erase"})
#: The least number of characters of a key. Shorter keys could be guessed.
MIN_KEY_LENGTH = 16


class Access(NamedTuple):
    """What an API key gives access to.

    Attributes:
        name: The key's name, for logs.
        rights: What the key may do.
        scope: The pair of metadata that a session must have to be seen; None for all sessions.
    """

    name: str
    rights: frozenset[Right] = RIGHTS
    scope: Condition | None = None


#: Access by the SHA-256 of each key. With a hash, the time of a look-up tells nothing about a key.
AccessKeys = Mapping[bytes, Access]


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.@ -]+$")]
    key: Annotated[str, Field(min_length=MIN_KEY_LENGTH, pattern=r"^[!-~]+$")] | None = None
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
    """Return the SHA-256 of a key, by which `AccessKeys` finds it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def one_key(key: str) -> AccessKeys:
    """Return the access of a single key, which has every right.

    Raises:
        InvalidInputError: The key is too short, or has characters that no HTTP header takes.
    """
    if len(key) < MIN_KEY_LENGTH or not all("!" <= character <= "~" for character in key):
        raise InvalidInputError(f"an API key has {MIN_KEY_LENGTH} or more visible ASCII characters")
    return {digest(key): Access("EVENTSTORE_API_KEY")}


def parse_keys(text: str) -> AccessKeys:
    """Return the keys of a file.

    Args:
        text: The file's content, in TOML as the module's docstring shows it.

    Raises:
        InvalidInputError: The file is not valid. The message is one line, and holds no key.
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
    for entry in listed:
        hashed = (
            bytes.fromhex(entry.sha256) if entry.sha256 is not None else digest(entry.key or "")
        )
        if hashed in found:
            raise InvalidInputError(f"the file of keys: {entry.name} has the key of another")
        scope = None
        if entry.metadata is not None:
            (scope,) = checked_filter(BasicFilter, {"metadata": entry.metadata}).metadata
        found[hashed] = Access(entry.name, entry.rights, scope)
    return found
