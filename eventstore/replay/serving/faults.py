"""Inject faults into a replay at chosen places: lost frames, delays, errors, cut connections. Pure.

`parse_fault` is called by the command `replay --serve`, `Faults` by connection.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from eventstore.errors import InvalidInputError
from eventstore.realtime.events import StoredEvent

FaultKind = Literal["drop", "close", "delay", "repeat", "swap", "lose", "error"]

FAULT_HELP = (
    "KIND@PLACE[=VALUE]. PLACE: an event's seq, or a glob of types (the first; #3 the third, #*"
    " all). KIND: drop (cut the connection), close[=CODE], delay=SECONDS, repeat[=TIMES],"
    " swap (with the next), lose, error[=MESSAGE]."
)
_SPEC = re.compile(
    r"(?P<kind>[a-z]+)@(?P<place>[^=#]+)(?:#(?P<nth>\d+|\*))?(?:=(?P<value>.*))?", re.DOTALL
)
_MAX_DELAY, _MAX_TIMES = 3600.0, 1000


class InjectedFault(NamedTuple):
    """One fault and its place.

    Attributes:
        kind: What goes wrong.
        seq: The event of the recording at which it happens; 0 if a type is named.
        glob: A pattern of types, such as `response.*`: it happens at an event of such a type.
        nth: It happens at the nth of these events, from 1; 0 for each of them.
        value: Seconds, a number of times, a close code or a message; it depends on the kind.
    """

    kind: FaultKind
    seq: int
    glob: str
    nth: int
    value: str


class Action(NamedTuple):
    """What to do with a frame because of its faults.

    Attributes:
        delay: How long to wait before it, in seconds.
        before: Frames to send before it.
        times: How often to send it; 0 to lose it.
        swap: Send it after the next frame.
        close: Close the connection in its place with this code, or cut it off if 0. None: neither.
    """

    delay: float = 0.0
    before: tuple[str, ...] = ()
    times: int = 1
    swap: bool = False
    close: int | None = None


def parse_fault(spec: str) -> InjectedFault:
    """Return the fault that a description such as `delay@response.done#2=1.5` means.

    `FAULT_HELP` explains the form.

    Raises:
        InvalidInputError: The description is not in this form.
    """
    match = _SPEC.fullmatch(spec.strip())
    if match is None:
        raise InvalidInputError(f"fault {spec!r}: write {FAULT_HELP}")
    kind, place, nth, value = match["kind"], match["place"], match["nth"], match["value"] or ""
    seq = int(place) if place.isascii() and place.isdigit() else 0
    times = 0 if nth == "*" else int(nth or 1)
    if (seq == 0 and place.isdigit()) or (nth is not None and (seq or nth == "0")):
        raise InvalidInputError(f"fault {spec!r}: events count from 1, and #N goes with types")
    if not _is_valid(kind, value):
        raise InvalidInputError(f"fault {spec!r}: write {FAULT_HELP}")
    return InjectedFault(kind, seq, "" if seq else place, times, value)  # type: ignore[arg-type]


def _is_valid(kind: str, value: str) -> bool:
    if kind in ("drop", "swap", "lose"):
        return not value
    if kind == "delay":
        return re.fullmatch(r"\d+(\.\d+)?", value) is not None and float(value) <= _MAX_DELAY
    if kind == "repeat":
        return not value or (
            re.fullmatch(r"\d{1,4}", value) is not None and int(value) <= _MAX_TIMES
        )
    if kind == "close":
        return (
            not value or re.fullmatch(r"1000|1001|1008|1011|1012|1013|[34]\d{3}", value) is not None
        )
    return kind == "error"


class Faults:
    """The faults of one connection, which counts its frames to find their places.

    Args:
        faults: The faults.
        live: The session is one of GPT-Live, whose errors have another shape.
    """

    def __init__(self, faults: Iterable[InjectedFault], live: bool = False) -> None:
        self._faults, self._live = tuple(faults), live
        self._seen = [0] * len(self._faults)

    def at(self, sent: StoredEvent) -> Action | None:
        """Return what to do with the next frame, or None to send it as it is."""
        action = None
        for place, fault in enumerate(self._faults):
            if fault.seq:
                hit = fault.seq == sent.seq
            else:
                matches = fnmatchcase(sent.type, fault.glob)
                self._seen[place] += matches
                hit = matches and fault.nth in (0, self._seen[place])
            if hit:
                action = _with_fault(action or Action(), fault, self._live)
        return action


def _with_fault(action: Action, fault: InjectedFault, live: bool) -> Action:
    value = fault.value
    if fault.kind == "drop":
        return action._replace(close=0)
    if fault.kind == "close":
        return action._replace(close=int(value or 1011))
    if fault.kind == "delay":
        return action._replace(delay=action.delay + float(value))
    if fault.kind == "repeat":
        return action._replace(times=int(value or 2))
    if fault.kind == "swap":
        return action._replace(swap=True)
    if fault.kind == "lose":
        return action._replace(times=0)
    error = error_event("server_error", value, live=live)
    return action._replace(before=(*action.before, error))


def error_event(code: str, message: str, event_id: str | None = None, live: bool = False) -> str:
    """Return an `error` event as OpenAI's server sends it: in GA, in beta and in GPT-Live.

    Args:
        code, message: The error's code and message; a message of OpenAI's if it is empty.
        event_id: The id of the client's event that the error is about.
        live: Return it as GPT-Live has it.
    """
    kind = "server_error" if code == "server_error" else "invalid_request_error"
    error = {
        "type": kind,
        "code": code,
        "message": message or "The server had an error while processing your request.",
        "param": None,
        "client_event_id" if live else "event_id": event_id,
    }
    return json.dumps({"type": "error", "event_id": "event_eventstore", "error": error})
