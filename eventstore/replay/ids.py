"""Ids that a live client, or a fresh copy of a session, has in place of the recorded ones."""

from __future__ import annotations

import re
import secrets
import string
import time
import uuid
from collections.abc import Set

from eventstore.replay.causality import ID_KEYS

_ID = re.compile(
    rf'("({"|".join(sorted(ID_KEYS))}|id)"\s*:\s*")([^"\\]{{1,128}})(?=")', flags=re.ASCII
)
_TIME = re.compile(r'("(?:expires_at|created_at)"\s*:\s*)([0-9]{10})(?![0-9.eE])')
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ALPHABET = string.ascii_letters + string.digits


class Ids:
    """What recorded ids are in this connection. Frames without any are passed on as they are.

    Args:
        fresh: give new ids to all that the server chose, and move times to now.
        server_ids, client_ids: who chose which of the recording's ids.
        started_at: when the recording began, in microseconds since 1970 UTC; None moves no times.
    """

    def __init__(
        self,
        fresh: bool = False,
        server_ids: Set[str] = frozenset(),
        client_ids: Set[str] = frozenset(),
        started_at: int | None = None,
    ) -> None:
        self._now: dict[str, str] = {}
        self._fresh = fresh
        self._server_ids, self._client_ids = server_ids, client_ids
        self._later = 0 if started_at is None else round(time.time() - started_at / 1e6)

    def learn(self, recorded: str, live: str) -> None:
        """From now on the recorded id is the live one."""
        if recorded != live:
            self._now[recorded] = live

    def now(self, recorded: str) -> str:
        """What a recorded id is in this connection."""
        known = self._now.get(recorded)
        if known is None and self._fresh and recorded in self._server_ids:
            known = self._now[recorded] = fresh_id(recorded)
        return recorded if known is None else known

    def rewrite(self, text: str) -> str:
        """A server's frame with this connection's ids, otherwise character for character."""
        if self._fresh:
            text = _ID.sub(self._replace, text)
            return _TIME.sub(lambda m: f"{m[1]}{int(m[2]) + self._later}", text)
        return _ID.sub(self._replace, text) if self._now else text

    def _replace(self, match: re.Match[str]) -> str:
        if self._fresh and match[2] == "event_id" and match[3] not in self._client_ids:
            return match[1] + fresh_id(match[3])  # used once: nothing to remember
        return match[1] + self.now(match[3])


def fresh_id(recorded: str) -> str:
    """A new id of the same looks: its prefix and its length."""
    if _UUID.fullmatch(recorded):
        return str(uuid.uuid4())
    prefix = recorded[: recorded.rfind("_") + 1]
    length = max(len(recorded) - len(prefix), 8)
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))
