"""Tell which settings of a session its reseed does not send, a sentence each. Pure.

Called by reseed.py, so that whoever starts the new session knows how it differs from the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.projection.state import SessionState
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.resources.live_config import LIVE_SETTINGS, live_config
from eventstore.realtime.resources.lost_settings import LostSetting, lost_settings
from eventstore.realtime.resources.session_config import (
    CLIENT_DIALECTS,
    ClientDialect,
    session_update,
)
from eventstore.realtime.values import dumps, mapping, sequence

Json = dict[str, Any]

#: How many settings that were left out are told, and how many characters of each.
_MOST_SETTINGS, _LONGEST_PATH, _LONGEST_VALUE = 20, 100, 100
#: Members of a Realtime session that a server tells, and that no client can set.
_SERVERS_OWN = frozenset({"id", "object", "type", "model", "expires_at", "client_secret"})
#: What a new session has in any case.
_DEFAULTS = {"truncation": "auto"}
_UNKNOWN = ", which the API's reference does not have so: "


def unsent_of_live(state: SessionState, config: Json) -> list[str]:
    """Return a sentence for each setting of a Live session that its new configuration lacks.

    Args:
        config: What the new session gets of what the server described and the client asked for.
    """
    told: dict[str, Any] = {}
    by_server = live_config(state.wire)
    for name in LIVE_SETTINGS:
        is_asked = name not in by_server and (name in config or not state.wire.get(name))
        told[name] = (state.requested if is_asked else state.wire).get(name)
    lost = [
        one for name in LIVE_SETTINGS for one in lost_settings(name, told[name], config.get(name))
    ]
    return _sentences([(one, _UNKNOWN) for one in lost])


def unsent_of_realtime(session: Json, sent: Json, dialect: ClientDialect) -> list[str]:
    """Return a sentence for each setting of a Realtime session that its new one lacks.

    Args:
        session: The session as a server described it, or as a client asked for it.
        sent: The `session` of the `session.update` that is made of it.
        dialect: The dialect of that event.
    """
    shapes = _in_both_shapes(session)
    sent_shapes = _in_both_shapes(sent)
    known = shapes["beta"] | shapes["ga"]
    lost = [(one, _UNKNOWN) for one in _lost_members(session, known)]
    (other,) = set(CLIENT_DIALECTS) - {dialect}
    names = {one.name for one, _ in lost}
    for shape in (dialect, other):
        for one in _lost_members(shapes[shape], sent_shapes[shape]):
            if one.name not in names:
                names.add(one.name)
                lost.append((one, f", which the {dialect} dialect does not have: "))
    return _sentences(lost)


def _in_both_shapes(session: Json) -> dict[ClientDialect, Json]:
    """Return what each dialect can express of a session's configuration."""
    made = {dialect: session_update(session, dialect) for dialect in CLIENT_DIALECTS}
    return {dialect: mapping((update or {}).get("session")) for dialect, update in made.items()}


def _lost_members(told: Json, made: Json) -> Iterator[LostSetting]:
    for name, value in told.items():
        if name in _SERVERS_OWN or _DEFAULTS.get(name) == value:
            continue
        if name.endswith("modalities"):  # Their order says nothing, and speech includes text.
            sent = ["text", *sequence(made.get(name))]
            if all(one in sent for one in sequence(value)):
                continue
        yield from lost_settings(name, value, made.get(name))


def _sentences(lost: list[tuple[LostSetting, str]]) -> list[str]:
    made = [_sentence(*one) for one in lost[:_MOST_SETTINGS]]
    if more := len(lost) - len(made):
        made.append(f"{more:,} more settings that the API's reference does not have")
    return made


def _sentence(setting: LostSetting, why: str) -> str:
    value = dumps(mask_value({setting.name: setting.value})[setting.name])
    shown = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
    return f"the setting {mask_value(setting.path[:_LONGEST_PATH])}{why}{shown}"
