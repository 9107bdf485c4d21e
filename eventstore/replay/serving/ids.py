"""Replace recorded ids by those of this connection: the live client's own, or new ones.

Used by connection.py and matching.py.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import time
import uuid
from collections.abc import Set
from itertools import count

from eventstore.replay.serving.causality import ID_KEYS, Script

_TIMES = frozenset({"expires_at", "created_at"})
_TIME = re.compile(r"^(\s*:\s*)([0-9]{10})(?![0-9.eE])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_ID = 128
_ALPHABET = string.ascii_letters + string.digits


class IdMap:
    """A map from recorded ids to the ids of this connection.

    Args:
        fresh: Replace all ids that the server chose by new ids, and move times to now.
        server_ids: The ids of the recording that the server chose.
        started_at: When the recording began, in microseconds since 1970 UTC; None to move no
            times.
        keys: The keys whose values are ids, beside `id`.
        keeps_event_ids: Other frames may name an event's id, so that its new id is remembered.
    """

    def __init__(
        self,
        fresh: bool = False,
        server_ids: Set[str] = frozenset(),
        started_at: int | None = None,
        keys: Set[str] = ID_KEYS,
        keeps_event_ids: bool = False,
    ) -> None:
        self._now: dict[str, str] = {}
        # Random text is made once, because making it for each id takes longer than sending a frame.
        self._salt = "".join(secrets.choice(_ALPHABET) for _ in range(_MAX_ID))
        self._numbers = count(1)
        self._fresh = fresh
        self._server_ids = server_ids
        self._watched = frozenset(keys) | {"id"} | _TIMES
        self._longest_key = max(map(len, self._watched))
        self._keeps_event_ids = keeps_event_ids
        self._later = 0 if started_at is None else round(time.time() - started_at / 1e6)

    @classmethod
    def of(cls, script: Script, fresh: bool, started_at: int | None) -> IdMap:
        """Return the map for a recording; the arguments are those of the class."""
        return cls(fresh, script.server_ids, started_at, script.id_keys, script.live)

    def learn(self, recorded: str, live: str) -> None:
        """Replace a recorded id by the live one from now on."""
        if recorded != live:
            self._now[recorded] = live

    def now(self, recorded: str) -> str:
        """Return the id of this connection for a recorded id."""
        known = self._now.get(recorded)
        if known is None and self._fresh and recorded in self._server_ids:
            known = self._now[recorded] = self._fresh_id(recorded)
        return recorded if known is None else known

    def rewrite(self, text: str) -> str:
        """Return a server's frame with this connection's ids; all other characters are the same."""
        if not (self._fresh or self._now):
            return text
        # Splitting at quotes gives keys, values and what stands between them. A regular expression
        # takes ten times as long for a frame of audio.
        pieces = text.split('"')
        for place in range(1, len(pieces) - 1):
            key = pieces[place]
            if len(key) > self._longest_key or key not in self._watched:
                continue
            behind = pieces[place + 1]
            if key in _TIMES:
                pieces[place + 1] = self._later_times(behind)
            elif behind.strip() == ":" and place + 2 < len(pieces):
                pieces[place + 2] = self._live(key, pieces[place + 2])
        return '"'.join(pieces)

    def _live(self, key: str, written: str) -> str:
        """Return the replacement for an id between quotes; both are escaped as in JSON."""
        recorded = written
        if "\\" in written:
            try:
                recorded = json.loads(f'"{written}"')
            except ValueError:
                return written
        is_passing = key == "event_id" and not self._keeps_event_ids
        if self._fresh and is_passing and recorded in self._server_ids:
            return self._fresh_id(recorded)
        live = self.now(recorded)
        return written if live == recorded else json.dumps(live)[1:-1]

    def _later_times(self, behind: str) -> str:
        if not self._fresh:
            return behind
        return _TIME.sub(lambda match: f"{match[1]}{int(match[2]) + self._later}", behind, count=1)

    def _fresh_id(self, recorded: str) -> str:
        """Return a new id with the same prefix and length, with at least eight new characters."""
        if _UUID.fullmatch(recorded):
            return str(uuid.uuid4())
        prefix = recorded[: recorded.rfind("_") + 1]
        number = f"{next(self._numbers):06x}"
        length = max(len(recorded) - len(prefix), 8)
        return prefix + self._salt[: length - len(number)] + number
