"""Find the settings of a session that the configuration of a new one lacks. Pure.

Called by reseeds, which tell them to the person who starts the new session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

#: Members that tell entries of a list apart.
_NAMES = ("type", "name", "server_label", "value", "label")
#: Credentials, which are never sent, and which replay/reseed/reseed_secrets.py tells of.
_CREDENTIALS = frozenset({"authorization", "headers"})


class LostSetting(NamedTuple):
    """A setting that is not sent.

    Attributes:
        path: Where it is, for example `delegation.responses.tools[1]`.
        name: The name of the member that has it, for example `tools`.
        value: Its value.
    """

    path: str
    name: str
    value: Any


def lost_settings(name: str, told: Any, made: Any) -> Iterator[LostSetting]:
    """Yield what a setting has that the one made of it lacks, the outermost member of each.

    Empty values say nothing, so that they are not missed.

    Args:
        name: The name of the setting.
        told: The setting as it was in the session.
        made: The setting as it is sent; None if it is not sent.
    """
    return _lost(name, name, told, made)


def _lost(path: str, name: str, told: Any, made: Any) -> Iterator[LostSetting]:
    if _is_empty(told) or told == made:
        return
    if isinstance(told, dict) and isinstance(made, dict):
        for member, value in told.items():
            if member not in _CREDENTIALS:
                yield from _lost(f"{path}.{member}", member, value, made.get(member))
    elif isinstance(told, list) and isinstance(made, list):
        place = 0
        for number, entry in enumerate(told):
            is_kept = place < len(made) and _is_same(entry, made[place])
            yield from _lost(f"{path}[{number}]", name, entry, made[place] if is_kept else None)
            place += is_kept
    else:
        yield LostSetting(path, name, told)


def _is_empty(told: Any) -> bool:
    if isinstance(told, dict):
        return all(map(_is_empty, told.values()))
    return told is None or told in ("", [])


def _is_same(told: Any, made: Any) -> bool:
    """Return True if an entry of a list may have been made of another one."""
    if not isinstance(told, dict) or not isinstance(made, dict):
        return bool(told == made)
    return all(told.get(name) == made[name] for name in _NAMES if name in made)
