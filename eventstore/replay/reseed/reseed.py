"""Make the client events that rebuild a session's conversation in a new session.

A Realtime session becomes a `session.update` and a `conversation.item.create` for each item. A
GPT-Live session becomes one `session.start`, with the conversation as its history. Either can be
rebuilt in a session of the other protocol.

The items have no ids and no predecessors. The new session gives them both, since they are sent in
order. So one conversation can be seeded many times, and no server refuses an id as too long. Called
by `EventStore.reseed`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from eventstore.common.arguments import check_whole
from eventstore.errors import InvalidInputError
from eventstore.projection.state import Item, SessionState
from eventstore.realtime.masking.mask import mask_value
from eventstore.realtime.protocols import LIVE, REALTIME, Protocol
from eventstore.realtime.resources.across_protocols import as_live, as_realtime
from eventstore.realtime.resources.live_config import DEFAULT_LIVE_MODEL, live_config
from eventstore.realtime.resources.session_config import (
    CLIENT_DIALECTS,
    ClientDialect,
    is_translation,
    session_update,
)
from eventstore.realtime.values import mapping, storable_json
from eventstore.replay.reseed.item_seeds import (
    AssistantAs,
    Images,
    Seed,
    SeedOptions,
    UserAudio,
    item_seed,
)
from eventstore.replay.reseed.live_history import DEFAULT_MAX_TOKENS, live_history
from eventstore.replay.reseed.live_seeds import has_client, live_seed
from eventstore.replay.reseed.paired_calls import last_seeds, paired
from eventstore.replay.reseed.reseed_secrets import without_secrets
from eventstore.replay.reseed.unsent_settings import unsent_of_live, unsent_of_realtime

Json = dict[str, Any]
_Lost = list[tuple[str | None, str]]


class Reseed(NamedTuple):
    """What rebuilds a conversation in a new session.

    Attributes:
        events: Client events, to be sent in this order. For a Realtime session: `session.update` if
            the session's configuration is known, then `conversation.item.create` for each item. For
            a Live session: `session.start`, with the conversation in `session.input`.
        skipped: What was left out: an `item_id` (None for the session itself) and a `reason` each.
    """

    events: list[dict[str, Any]]
    skipped: list[dict[str, str | None]]


def reseed(
    state: SessionState,
    dialect: ClientDialect = "ga",
    audio: UserAudio | None = None,
    max_items: int | None = None,
    assistant_as: AssistantAs = "text",
    images: Images | None = None,
    to: Protocol | None = None,
    max_tokens: int = DEFAULT_MAX_TOKENS,
) -> Reseed:
    """Return the client events that rebuild a session's current conversation.

    Args:
        state: The session's state.
        dialect: The dialect of the events of a Realtime session, `beta` or `ga`; it need not be the
            server's.
        audio: The user's audio, which is sent if it is here. None sends transcripts.
        max_items: Create at most so many items: the last ones.
        assistant_as: Send the assistant's words as its own `text`, or as a note in a `system`
            message.
        images: The URLs of images that the client gave, for items in which the server left them
            out.
        to: The protocol of the new session: `realtime` or `live`. None is the old session's own.
        max_tokens: How many tokens the history of a Live session has at most, by estimate.

    Raises:
        InvalidInputError: An argument has a value that is not allowed.
    """
    _check(dialect, max_items, assistant_as, to, max_tokens)
    if state.live is None and is_translation(state.wire):
        reason = "a translation session has no conversation"
        return Reseed([], [{"item_id": None, "reason": reason}])
    protocol = to or (REALTIME if state.live is None else LIVE)
    if protocol == LIVE:
        dialect, audio = "ga", None
    recorded = state.live is None or has_client(state)
    options = SeedOptions(dialect, assistant_as, audio, images, protocol, recorded)
    seeds = paired([_masked(seed) for seed in _seeds(state, options)])
    if max_items is not None:
        seeds = paired(last_seeds(seeds, max_items), "a function's output cut off from its call")
    lost: _Lost = [(seed.item_id, reason) for seed in seeds for reason in seed.lost]
    if protocol == LIVE:
        history = live_history(seeds, max_tokens)
        start, asked = _start(state, history.messages)
        return _made([start], [(None, reason) for reason in asked] + lost + history.lost)
    update, asked = _update(state, dialect)
    events = [] if update is None else [update]
    for seed in seeds:
        if seed.item is not None:
            events.append({"type": "conversation.item.create", "item": seed.item})
    return _made(events, [(None, reason) for reason in asked] + lost)


def _made(events: list[Json], lost: _Lost) -> Reseed:
    return Reseed(
        [storable_json(event) for event in events],
        [{"item_id": item_id, "reason": reason} for item_id, reason in lost],
    )


def _check(
    dialect: str, max_items: int | None, assistant_as: str, to: str | None, max_tokens: int
) -> None:
    if dialect not in CLIENT_DIALECTS:
        raise InvalidInputError(f"dialect {dialect!r}: use beta or ga")
    if max_items is not None:
        check_whole("max_items", max_items, least=1)
    if assistant_as not in get_args(AssistantAs):
        raise InvalidInputError(f"assistant_as {assistant_as!r}: use text or system")
    if to not in (None, *get_args(Protocol)):
        raise InvalidInputError(f"to {to!r}: use realtime or live")
    check_whole("max_tokens", max_tokens, least=1)


# The configuration


def _update(state: SessionState, dialect: ClientDialect) -> tuple[Json | None, list[str]]:
    """Return the `session.update` of a Realtime session, and what its sender has to know."""
    # If the server never described the session, the client's own request is the best source.
    config, asked = state.wire or state.requested, list[str]()
    if state.live is not None:
        made = _live_config(state)
        config, asked = as_realtime(made)
        asked = unsent_of_live(state, made) + asked
    update = session_update(config, dialect)
    if update is None:
        return None, asked
    if state.live is None:
        asked = unsent_of_realtime(config, mapping(update["session"]), dialect)
    clean, secret = without_secrets(update, state)
    return clean, secret + asked


def _start(state: SessionState, messages: list[Json]) -> tuple[Json, list[str]]:
    """Return the `session.start` of a Live session, and what its sender has to know."""
    if state.live is not None:
        config = _live_config(state)
        asked = unsent_of_live(state, config)
    else:
        config, asked = as_live(state.wire or state.requested)
    if "model" not in config:
        config = {"model": DEFAULT_LIVE_MODEL, **config}
    clean, secret = without_secrets({"type": "session.start", "session": config}, state)
    if messages:
        clean = {**clean, "session": {**clean["session"], "input": messages}}
    return clean, secret + asked


def _live_config(state: SessionState) -> Json:
    """Return a Live session's configuration; what the server did not describe as it was asked."""
    return live_config(state.requested) | live_config(state.wire)


# The items


def _seeds(state: SessionState, options: SeedOptions) -> list[Seed]:
    """Return what becomes of each item of the conversation, in order."""
    if state.live is None:
        return [item_seed(state, item, options) for item in _items(state)]
    made = (live_seed(state, item, options) for item in _items(state))
    return [seed for seed in made if seed is not None]


def _items(state: SessionState) -> list[Item]:
    """Return the items of the last conversation that has items, in order."""
    for conversation in reversed(state.conversations):
        if conversation.order:
            return [state.items[item_id] for item_id in conversation.order]
    return []


def _masked(seed: Seed) -> Seed:
    """Return the seed with its secrets masked. The sender has to add them again."""
    clean = mask_value(seed.item)
    if clean == seed.item:
        return seed
    return seed._replace(item=clean, lost=(*seed.lost, "a secret in it, which is masked"))
