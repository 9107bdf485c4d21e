"""Check a session's events one after the other, and count how they are encrypted.

Called by verify.py and verify_log.py, which read the events and hand them over in order.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Engine

from eventstore.archive.verifying.verify_results import Problem, Protection
from eventstore.archive.verifying.verify_rows import row_problem
from eventstore.encryption.cipher import Cipher
from eventstore.projection.repeats import Repeats
from eventstore.realtime.events import EventRow
from eventstore.realtime.frames import ENCRYPTED, ENCRYPTIONS, STORE
from eventstore.store.database.transaction import read
from eventstore.store.log.derived_columns import DerivedColumns
from eventstore.store.readmodels.encrypted_rows import count_plain_rows


class EventChecks:
    """Checks the events of one session in order, and remembers what later checks need.

    Attributes:
        engine, session_id: The session.
        last_at: The time of the last frame that has one, in microseconds since 1970 UTC. The
            store's own notes do not count.
        protection: How the events so far are encrypted.

    Args:
        audio_was_erased: The session has a note that its audio was erased.
        cipher: The session's cipher; None if it has none.
    """

    def __init__(
        self, engine: Engine, session_id: str, audio_was_erased: bool, cipher: Cipher | None
    ) -> None:
        self.engine, self.session_id, self._cipher = engine, session_id, cipher
        self.protection = Protection()
        self.last_at: int | None = None
        self._audio_was_erased = audio_was_erased
        self._derived = DerivedColumns(engine, session_id)
        self._repeats = Repeats()

    def problem(self, row: EventRow, is_sealed: bool) -> str | None:
        """Return what is wrong with the columns of the next event, or None.

        Args:
            row: The event, decrypted.
            is_sealed: It came from a segment, so it has no row of its own.
        """
        if row.at is not None and row.direction != STORE:
            self.last_at = row.at
        stored = None if is_sealed else self._derived.of(row.seq)
        if stored is not None:
            is_encrypted = stored.audio_offset in ENCRYPTIONS
            is_bound = is_encrypted and stored.audio_offset != ENCRYPTED
            problem = self.protect(row.seq, 1, is_encrypted, is_bound)
            if problem is not None:
                return problem
        return row_problem(row, stored, self._audio_was_erased, self._repeats)

    def protect(self, last: int, events: int, is_encrypted: bool, is_bound: bool) -> str | None:
        """Count some events by their encryption. Return a problem if they should be encrypted.

        Args:
            last: The last of these events.
            events: How many they are.
            is_encrypted: They are encrypted.
            is_bound: They are encrypted, and bound to the other columns of their row.
        """
        bound, old, plain = self.protection
        if is_bound:
            bound += events
        elif is_encrypted:
            old += events
        else:
            plain += events
        self.protection = Protection(bound, old, plain)
        if is_encrypted or self._cipher is None:
            return None
        begun = self._cipher.from_seq
        # Older stores did not note where encryption began. In these, no plain event may follow an
        # encrypted one.
        if (last >= begun) if begun is not None else (bound + old > 0):
            return "it is not encrypted, and the session's events were when this one was written"
        return None

    def plain_read_models(self, head: int) -> Iterator[Problem]:
        """Yield a problem for each read model with rows that should be encrypted and are not.

        Readers accept plain rows, because older rows may be plain. A rebuild encrypts them. Call
        this after all events were checked.

        Args:
            head: The session's last event.
        """
        bound, old, plain = self.protection
        if self._cipher is None:
            return
        begun = self._cipher.from_seq
        if begun is None:
            if not bound + old:
                return
            begun = plain + 1
        with read(self.engine) as tx:
            found = count_plain_rows(tx, self.session_id, begun)
        for table, count in found.items():
            rows = "a row" if count == 1 else f"{count:,} rows"
            yield Problem(
                1,
                head,
                f"{rows} of {table} not encrypted, which readers would take as they are;"
                f" run: eventstore rebuild {self.session_id}",
            )
