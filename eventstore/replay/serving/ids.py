"""Ids that a live client, or a fresh copy of a session, has in place of the recorded ones."""

from __future__ import annotations

import json
import re
import secrets
import string
import time
import uuid
from collections.abc import Set
from itertools import count

from eventstore.replay.serving.causality import ID_KEYS

_KEYS = ID_KEYS | {"id"}
_TIMES = frozenset({"expires_at", "created_at"})
_WATCHED = _KEYS | _TIMES
_LONGEST_KEY = max(map(len, _WATCHED))
_TIME = re.compile(r"^(\s*:\s*)([0-9]{10})(?![0-9.eE])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAX_ID = 128
_ALPHABET = string.ascii_letters + string.digits


class IdMap:
    """What recorded ids are in this connection. Frames without any are passed on as they are.

    Args:
        fresh: give new ids to all that the server chose, and move times to now.
        server_ids: the recording's ids that the server chose.
        started_at: when the recording began, in microseconds since 1970 UTC; None moves no times.
    """

    def __init__(
        self,
        fresh: bool = False,
        server_ids: Set[str] = frozenset(),
        started_at: int | None = None,
    ) -> None:
        self._now: dict[str, str] = {}
        # Random once: a new random text for each id takes longer than to send its frame.
        self._salt = "".join(secrets.choice(_ALPHABET) for _ in range(_MAX_ID))
        self._numbers = count(1)
        self._fresh = fresh
        self._server_ids = server_ids
        self._later = 0 if started_at is None else round(time.time() - started_at / 1e6)

    def learn(self, recorded: str, live: str) -> None:
        """From now on the recorded id is the live one."""
        if recorded != live:
            self._now[recorded] = live

    def now(self, recorded: str) -> str:
        """What a recorded id is in this connection."""
        known = self._now.get(recorded)
        if known is None and self._fresh and recorded in self._server_ids:
            known = self._now[recorded] = self._fresh_id(recorded)
        return recorded if known is None else known

    def rewrite(self, text: str) -> str:
        """A server's frame with this connection's ids, otherwise character for character."""
        if not (self._fresh or self._now):
            return text
        # Between quotes: keys, what stands behind them, values. A regular expression takes ten
        # times as long over a frame of audio.
        pieces = text.split('"')
        for place in range(1, len(pieces) - 1):
            key = pieces[place]
            if len(key) > _LONGEST_KEY or key not in _WATCHED:
                continue
            behind = pieces[place + 1]
            if key in _TIMES:
                pieces[place + 1] = self._later_times(behind)
            elif behind.strip() == ":" and place + 2 < len(pieces):
                pieces[place + 2] = self._live(key, pieces[place + 2])
        return '"'.join(pieces)

    def _live(self, key: str, written: str) -> str:
        """What stands between the quotes in place of a recorded id; both as JSON has them."""
        recorded = written
        if "\\" in written:
            try:
                recorded = json.loads(f'"{written}"')
            except ValueError:
                return written
        if self._fresh and key == "event_id" and recorded in self._server_ids:
            return self._fresh_id(recorded)  # used once: not remembered
        live = self.now(recorded)
        return written if live == recorded else json.dumps(live)[1:-1]

    def _later_times(self, behind: str) -> str:
        if not self._fresh:
            return behind
        return _TIME.sub(lambda match: f"{match[1]}{int(match[2]) + self._later}", behind, count=1)

    def _fresh_id(self, recorded: str) -> str:
        """A new id of the same looks: its prefix and its length, eight characters at least."""
        if _UUID.fullmatch(recorded):
            return str(uuid.uuid4())
        prefix = recorded[: recorded.rfind("_") + 1]
        number = f"{next(self._numbers):06x}"
        length = max(len(recorded) - len(prefix), 8)
        return prefix + self._salt[: length - len(number)] + number
