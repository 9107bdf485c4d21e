"""Match a live client's frames with the recorded client's frames, and report differences. Pure.

Called by connection.py; drift_report.py and the command `replay --serve` show the result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import chain, islice
from typing import Any, Literal, NamedTuple

from eventstore.realtime.catalogue import INPUT_AUDIO, canonical
from eventstore.realtime.frames import decode_columns
from eventstore.realtime.masking.secret_names import REMOVED
from eventstore.realtime.values import dumps, mapping, text
from eventstore.replay.serving.causality import CANCEL, ExpectedFrame, Script, is_id
from eventstore.replay.serving.ids import IdMap

MatchRule = Literal["exact", "strict", "type", "none"]
MATCH_RULES: tuple[MatchRule, ...] = ("exact", "strict", "type", "none")
#: The rules by which frames must come in the recorded order.
ORDERED_RULES = frozenset({"exact", "strict"})

_MISSING = object()
#: Ids that a client may give or leave out.
_CLIENTS_OWN = frozenset({"event_id", "item.id"})
#: Fields that clients make new each time: metadata with counters or random values, and how much of
#: an answer was played.
_EACH_TIME = frozenset({"response.metadata", "audio_end_ms"})
_SHOWN = 300
#: How many differences of one frame are reported, and among how many frames of its type one
#: without a difference is looked for.
_TOLD, _AHEAD = 20, 32


class Difference(NamedTuple):
    """One place at which a frame differs from the recorded frame.

    Attributes:
        path: The place, such as `item.content[0].text`.
        expected: The recorded value, as JSON; "nothing" if there was none.
        came: The value that came, in the same form.
    """

    path: str
    expected: str
    came: str


class Drift(NamedTuple):
    """One thing that a live client did differently from the recorded client.

    Attributes:
        kind: `differs`: a frame has other values. `unexpected`: a frame was not recorded.
            `missing`: a recorded frame never came. `waiting`: it has not come yet.
        seq: The recorded client's frame; None if there is none.
        type: The type of the frame.
        differences: The places at which it differs.
    """

    kind: Literal["differs", "unexpected", "missing", "waiting"]
    seq: int | None
    type: str
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        """Return the text for a person: one line, and three lines for each difference."""
        behind = "" if self.seq is None else f" (event {self.seq} of the recording)"
        place = f"{self.type}{behind}"
        if self.kind == "missing":
            return f"expected {place}, which never came"
        if self.kind == "waiting":
            return f"waiting for {place}"
        if self.kind == "unexpected":
            other = "".join(f"; expected {where.expected}{behind}" for where in self.differences)
            return f"unexpected {self.type}{other}"
        lines = [f"{place} came otherwise:"]
        for where in self.differences:
            lines += [f"  {where.path}", f"    - {where.expected}", f"    + {where.came}"]
        return "\n".join(lines)


class Match(NamedTuple):
    """The recorded frame that matches a live client's frame.

    Attributes:
        seq: The recorded frame; None if no recorded frame matches.
        drift: How the live frame differs from it; None if it does not.
    """

    seq: int | None
    drift: Drift | None = None


class StreamedAudio(NamedTuple):
    """A frame of audio that a live client streamed. Such frames are not matched.

    Attributes:
        audio: The audio's bytes, if they were cut out of the frame.
        event: The parsed frame, which has the audio otherwise.
    """

    audio: bytes | None
    event: dict[str, Any] | None


class Matcher:
    """Matches the frames of one connection, in the order in which they come.

    Attributes:
        left: How many recorded frames have not come yet, except cancels without effect.

    Args:
        script: The recording's script.
        rule: `strict`: frames must come in the recorded order. `exact`: they must also have the
            recorded metadata and times of truncations. `type`: a frame matches the next recorded
            frame of its type, preferably one without a difference. `none`: only requests for
            responses, and frames of GPT-Live, are matched, by their order, and nothing is
            reported.
        ids: Learns the ids that the live client chose.
    """

    def __init__(self, script: Script, rule: MatchRule, ids: IdMap) -> None:
        rule = rule if script.compared else "none"
        self._script, self._rule, self._ids = script, rule, ids
        self._queues: dict[str, deque[ExpectedFrame]] = {}
        self.left = 0 if rule == "none" else len(script.expected) - len(script.idle)
        self._passed = frozenset() if rule == "exact" else _EACH_TIME
        for expected in script.expected:
            # The answers of GPT-Live name the client's frame, whatever its type is.
            if rule != "none" or script.live or canonical(expected.type) == "response.create":
                self._queues.setdefault(self._queue_of(expected.type), deque()).append(expected)
        self._answers = sorted(script.waits)

    def receive(self, frame: str | bytes) -> Match | StreamedAudio:
        """Match the live client's next frame."""
        type_, _, _, audio, event = decode_columns(frame)
        if type_ in INPUT_AUDIO:
            return StreamedAudio(audio, event)
        if self._rule == "none":
            asked = self._queues.get(canonical(type_))
            return Match(asked.popleft().seq if asked else None)
        queue = self._queues.get(self._queue_of(type_))
        while queue and queue[0].seq in self._script.idle and type_ != CANCEL:
            queue.popleft()
        if not queue:
            return Match(None, Drift("unexpected", None, type_))
        if canonical(queue[0].type) != canonical(type_):
            other = Difference("type", _shown(queue[0].type), _shown(type_))
            return Match(None, Drift("unexpected", queue[0].seq or None, type_, (other,)))
        place, differences = self._nearest(queue, event)
        expected = queue[place]
        del queue[place]
        self.left -= expected.seq not in self._script.idle
        self._learn(expected, mapping(event))
        drift = Drift("differs", expected.seq, type_, tuple(differences)) if differences else None
        return Match(expected.seq, drift)

    def _queue_of(self, type_: str) -> str:
        """Return the key of a type's queue: one queue for each type, or one for all in order."""
        return "" if self._rule in ORDERED_RULES else canonical(type_)

    def _nearest(
        self, queue: deque[ExpectedFrame], event: dict[str, Any] | None
    ) -> tuple[int, list[Difference]]:
        """Return the index in a queue of the first frame without a difference, otherwise 0.

        Only frames are compared that the recorded client sent before the next answer to the first
        one. These were sent without waiting for each other, so their order may change.
        """
        first = self._differences(queue[0], event)
        if not first or self._rule in ORDERED_RULES:
            return 0, first
        after = bisect_right(self._answers, queue[0].seq)
        until = self._answers[after] if after < len(self._answers) else None
        for place, expected in enumerate(islice(queue, 1, _AHEAD), 1):
            if until is not None and expected.seq > until:
                break
            if not self._differences(expected, event):
                return place, []
        return 0, first

    def missing(self) -> list[Drift]:
        """Return the recorded frames that have not come; none with the rule `none`."""
        if self._rule == "none":
            return []
        left = sorted(chain.from_iterable(self._queues.values()), key=lambda expected: expected.seq)
        return [
            Drift("missing", expected.seq or None, expected.type)
            for expected in left
            if expected.seq not in self._script.idle
        ]

    def _differences(
        self, expected: ExpectedFrame, event: dict[str, Any] | None
    ) -> list[Difference]:
        found: list[Difference] = []
        self._compare(expected.event, event, "", "", found)
        return found

    def _compare(
        self, expected: Any, came: Any, path: str, holder: str, found: list[Difference]
    ) -> None:
        if len(found) >= _TOLD:
            return
        if isinstance(expected, dict) and isinstance(came, dict):
            for key in (*expected, *(key for key in came if key not in expected)):
                inner = f"{path}.{key}" if path else key
                one, other = expected.get(key, _MISSING), came.get(key, _MISSING)
                if inner in self._passed:
                    continue
                if is_id(key, holder, self._script.id_keys):
                    self._compare_ids(one, other, inner, found)
                elif not (key == "audio" and isinstance(one, str) and isinstance(other, str)):
                    self._compare(one, other, inner, key, found)
        elif isinstance(expected, list) and isinstance(came, list):
            for place in range(max(len(expected), len(came))):
                one = expected[place] if place < len(expected) else _MISSING
                other = came[place] if place < len(came) else _MISSING
                self._compare(one, other, f"{path}[{place}]", holder, found)
        elif not _is_same(expected, came):
            found.append(Difference(path[:_SHOWN] or "the frame", _shown(expected), _shown(came)))

    def _compare_ids(self, expected: Any, came: Any, path: str, found: list[Difference]) -> None:
        """Compare two ids. The client's own ids may differ; ids of the server must be the same."""
        both = isinstance(expected, str) and isinstance(came, str)
        chosen = path in _CLIENTS_OWN or (both and expected in self._script.client_ids)
        if not chosen or "root" in (expected, came):
            known = self._ids.now(expected) if isinstance(expected, str) else expected
            if known != came and not (_is_nothing(known) and _is_nothing(came)):
                found.append(Difference(path[:_SHOWN], _shown(known), _shown(came)))

    def _learn(self, expected: ExpectedFrame, event: dict[str, Any]) -> None:
        """Learn the ids that the live client chose in place of the recorded ones."""
        recorded = mapping(expected.event)
        for one, other in (
            (recorded.get("event_id"), event.get("event_id")),
            *(
                (mapping(recorded.get("item")).get(key), mapping(event.get("item")).get(key))
                for key in ("id", "call_id")
            ),
        ):
            if isinstance(one, str) and isinstance(other, str) and one in self._script.client_ids:
                self._ids.learn(one, other)
        chosen = text(mapping(event.get("item")).get("id"))
        if chosen is not None and mapping(recorded.get("item")).get("id") is None:
            made = self._script.made.get(expected.seq)
            if made is not None:
                self._ids.learn(made, chosen)


def _is_same(expected: Any, came: Any) -> bool:
    if expected == REMOVED or (_is_nothing(expected) and _is_nothing(came)):
        return True
    # In Python, True equals 1.
    return bool(expected == came) and isinstance(expected, bool) == isinstance(came, bool)


def _is_nothing(value: Any) -> bool:
    """Return True for a value that means nothing: a missing one, null, an empty list or object."""
    return value is _MISSING or value in (None, [], {})


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    line = dumps(value)
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
