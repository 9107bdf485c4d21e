"""Fit the script of a GPT-Live session to what a client connects for. Pure.

The primary connection starts the session, a fork starts a copy of it, and a sideband joins it. Each
is served from the recording that there is. Called by connection.py, and by replay/server/server.py
to refuse what cannot be served.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from eventstore.errors import InvalidInputError
from eventstore.realtime.masking.secret_names import REMOVED
from eventstore.realtime.request_target import LiveTarget, live_target
from eventstore.realtime.values import mapping
from eventstore.replay.serving.causality import IMPLIED, START, ExpectedFrame, Script


def live_target_of(target: str) -> LiveTarget | None:
    """Return what a handshake's path and query name of GPT-Live, or None if it is another path."""
    return live_target(urlsplit(target).path)


def check_role(name: str, script: Script, target: LiveTarget | None) -> None:
    """Check that a recording can be served to a client of GPT-Live.

    Args:
        name: The recording's name for people.
        script: The recording's script.
        target: What the client connects for; None for other clients, which are served anything.

    Raises:
        InvalidInputError: The recording is none of GPT-Live, or has no start of the session.
    """
    if target is None:
        return
    if not script.live:
        raise InvalidInputError(f"{name} is no session of GPT-Live: connect to /v1/realtime")
    if target.role != "sideband" and (script.joined or script.started is None):
        raise InvalidInputError(
            f"{name} is a recording of a sideband, without the start of the session: attach to it,"
            " by /v1/live/sessions/ID/attach"
        )


def script_for(script: Script, target: LiveTarget | None) -> Script:
    """Return the script by which a recording is served to a client.

    Args:
        script: The recording's script.
        target: What the client connects for; None for other clients.
    """
    if not script.live:
        return script
    if target is not None and target.role == "sideband" and not script.joined:
        return _for_sideband(script)
    if not script.expected and not script.input_ms:
        # Only the server's side was recorded.
        script = replace(script, compared=False)
    if target is None or script.joined:
        return script
    if target.role == "fork":
        script = replace(script, expected=list(map(_as_fork, script.expected)))
    return _with_start(script)


def _for_sideband(script: Script) -> Script:
    """Return the script for a sideband that looks on while the recorded client has the session.

    What the recorded client did is not this client's work, so that nothing waits for it.
    """
    commands = [expected for expected in script.expected if expected.type != START]
    return replace(
        script,
        expected=commands,
        waits={},
        hears={},
        input_ms=0.0,
        compared=False,
        reflects=True,
    )


def _with_start(script: Script) -> Script:
    """Return the script with the `session.start` that every session begins with.

    A recording may lack it, because it has the server's side alone, or began late.
    """
    started = script.started
    has_start = any(expected.type == START for expected in script.expected)
    if started is None or started in script.waits or has_start:
        return script
    start = ExpectedFrame(IMPLIED, None, START, {"type": START, "session": REMOVED})
    return replace(
        script,
        expected=[start, *script.expected],
        waits={**script.waits, started: IMPLIED},
    )


def _as_fork(expected: ExpectedFrame) -> ExpectedFrame:
    """Return a recorded frame as the client of a fork sends it.

    A fork starts without the model, and with no more than what shall differ from the first session.
    """
    event: dict[str, Any] = mapping(expected.event)
    if expected.type != START or "model" not in mapping(event.get("session")):
        return expected
    return expected._replace(event={**event, "session": REMOVED})
