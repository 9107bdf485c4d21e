"""The manifest of a partitioned export: of what each part was made, and which files it has.

It is a JSON file in the target. A part is not named in it while its files are being replaced, so
that a run that is killed then leaves a part that the next run writes anew. Pure. Called by
update_parquet.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventstore.realtime.values import dumps, loads, mapping

_KIND = "eventstore.parquet"
#: The form of the manifest. A manifest of a later form is not used.
_FORM = 1


class PartFiles(NamedTuple):
    """What a part was made of, and its files.

    Attributes:
        digest: The hash of its sessions and their versions; see `Contents.digest`.
        tags: The tag of each of its files, by table. A table without rows has no file.
    """

    digest: str
    tags: dict[str, str]


@dataclass
class Manifest:
    """What a target has.

    Attributes:
        store: The id of the store that it is of.
        filters: Which sessions it has, as JSON.
        parts: What is known of each part, by its name.
    """

    store: str
    filters: dict[str, Any]
    parts: dict[str, PartFiles] = field(default_factory=dict)

    def written(self) -> bytes:
        """Return the manifest's file."""
        parts = {
            name: {"digest": one.digest, "files": one.tags} for name, one in self.parts.items()
        }
        told = {"object": _KIND, "form": _FORM, "store": self.store, "filters": self.filters}
        return dumps({**told, "parts": parts}).encode()


def read_manifest(data: bytes | None) -> Manifest | None:
    """Return the manifest that a file has, or None if it has none."""
    if data is None:
        return None
    try:
        told = mapping(loads(data))
    except (ValueError, RecursionError):
        return None
    store = told.get("store")
    if told.get("object") != _KIND or told.get("form") != _FORM or not isinstance(store, str):
        return None
    parts = mapping(told.get("parts"))
    found = {name: part for name, one in parts.items() if (part := _part(mapping(one)))}
    return Manifest(store, mapping(told.get("filters")), found)


def _part(told: Mapping[str, Any]) -> PartFiles | None:
    digest, files = told.get("digest"), told.get("files")
    if not isinstance(digest, str) or not isinstance(files, dict):
        return None
    return PartFiles(digest, {table: str(tag) for table, tag in files.items()})
