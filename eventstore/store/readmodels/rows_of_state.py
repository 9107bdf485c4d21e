"""Make the rows of the read models from a session's state.

The values of a row are in the order of the table's columns. Called by write_read_models.py and
figure_rows.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eventstore.projection.facets import Figures
from eventstore.projection.figures import length_us, step_us
from eventstore.projection.handlers.conversation import is_settled
from eventstore.projection.handlers.session_billing import (
    billed_session,
    is_counted,
    usage_id_of_item,
    usage_id_of_response,
    usage_of_response,
)
from eventstore.projection.latency import answer_us, answered_from
from eventstore.projection.state import BilledUsage, Item, Response, SessionState
from eventstore.projection.views import resources
from eventstore.projection.views.session_resource import session_resource
from eventstore.projection.views.usage import billed_sums, read_usage
from eventstore.realtime.resources.outcomes import reason_of
from eventstore.realtime.values import (
    column_text,
    dumps,
    identifier,
    mapping,
    metadata_pairs,
    storable,
)

if TYPE_CHECKING:
    from eventstore.store.database.transaction import Row

#: The number that stands for an unknown figure; it sorts below all known ones.
UNKNOWN = -1

#: The metadata by which a response is found: key, value, and 1 if the pair is the response's own or
#: 0 if it is its session's.
Pairs = frozenset[tuple[str, str, int]]


def session_row(state: SessionState, opened_at: int) -> Row:
    """Return the row of `sessions`."""
    resource = session_resource(state, listed=True)
    notes = resource.pop("eventstore")
    # The row of the stream has these values, so that an append of audio alone writes no row here.
    for key in ("events", "last_at", "duration_ms"):
        del notes[key]
    return (
        state.session_id,
        _sort_at(state.first_at, opened_at),
        column_text(state.wire.get("model")),
        int(state.closed),
        len(state.responses),
        notes["interruptions"],
        state.errors,
        dumps(resource),
        dumps(notes),
        state.fold_errors or None,
    )


def session_metadata_rows(state: SessionState, opened_at: int) -> list[Row]:
    """Return the rows of `session_metadata`."""
    at = _sort_at(state.first_at, opened_at)
    return [(state.session_id, key, value, at) for key, value in state.metadata.items()]


def conversation_rows(state: SessionState, indexes: Iterable[int]) -> list[Row]:
    """Return the rows of `conversations`.

    Args:
        indexes: The indexes of the conversations in the state.
    """
    return [
        (state.session_id, index, identifier(state.conversations[index].id)) for index in indexes
    ]


def item_rows(state: SessionState, changed: Iterable[Item]) -> list[Row]:
    """Return the rows of `items`.

    The numbers in `position` rise in the order of the conversation, with gaps between them.
    """
    return [_item_row(state, item) for item in changed]


def _item_row(state: SessionState, item: Item) -> Row:
    resource = resources.item_resource(state, item, live=False)
    conversation = item.conversation if item.linked else None
    position = None
    if conversation is not None:
        position = state.conversations[conversation].order.numbers[item.id]
    return (
        state.session_id,
        item.id,
        conversation,
        position,
        column_text(resource.get("type"), 64),
        column_text(resource.get("role"), 64),
        column_text(resource.get("status"), 64),
        item.response_id or item.answered_by,
        item.seen_seq,
        item.seen_at,
        item.deleted_seq,
        storable(resources.item_text(item, deltas=is_settled(state, item))),
        dumps(resource),
    )


def response_row(state: SessionState, response: Response, opened_at: int) -> Row:
    """Return the row of `responses`: the columns that filters use, and the resource."""
    resource = resources.response_resource(state, response, live=False)
    notes = resource["eventstore"]
    config = notes["config"]
    sums = billed_sums(mapping(resource.get("usage")))
    format_ = config["audio_format"]
    limit = config["max_output_tokens"]
    created_at, speech_ended_at = answered_from(state, response)
    return (
        state.session_id,
        response.id,
        _sort_at(response.seen_at, opened_at),
        response.seen_seq,
        column_text(resource.get("status"), 64),
        column_text(reason_of(resource), 64),
        column_text(notes["model"]),
        column_text(config["voice"], 128),
        ",".join(sorted(config["modalities"])) if config["modalities"] else None,
        format_["type"] if format_ else None,
        config["temperature"],
        str(limit) if limit is not None else None,
        identifier(resource.get("conversation_id")),
        int(notes["interrupted"]),
        created_at,
        response.first_text_at,
        response.first_audio_at,
        response.done_at,
        speech_ended_at,
        *sums,
        dumps(resource),
        _known(answer_us(state, response)),
        _microseconds(notes["duration_ms"]),
    )


def _known(number: int | None) -> int:
    """Return a figure for sorting: the number itself, or `UNKNOWN` for None."""
    return UNKNOWN if number is None else number


def _microseconds(ms: float | None) -> int:
    return UNKNOWN if ms is None else round(ms * 1000)


def figures_row(state: SessionState, figures: Figures, opened_at: int) -> Row:
    """Return the row of `session_figures`."""
    length = length_us(state)
    is_going_on = length is not None and not state.closed
    return (
        state.session_id,
        _sort_at(state.first_at, opened_at),
        len(figures.turns),
        len(state.interrupted),
        _known(figures.slowest_us),
        state.first_at - state.clock_shift if state.first_at is not None else None,
        None if is_going_on else _known(length),
        reached_us(state),
    )


def reached_us(state: SessionState) -> int | None:
    """Return the step that an open session's length has reached, or None for a closed session."""
    length = length_us(state)
    return None if length is None or state.closed else step_us(length)


def metadata_pairs_of(state: SessionState, response: Response) -> Pairs:
    """Return the metadata by which a response is found: its own, and its session's."""
    wire = response.wire.get("metadata")
    if wire is None and "metadata" not in response.wire and response.request is not None:
        wire = response.request.body.get("metadata")
    own = metadata_pairs(wire)
    pairs = [(key, value, 1) for key, value in own.items()]
    pairs += [(key, value, 0) for key, value in state.metadata.items() if own.get(key) != value]
    return frozenset(pairs)


def response_metadata_rows(
    state: SessionState, response: Response, pairs: Pairs, opened_at: int
) -> list[Row]:
    """Return the rows of `response_metadata` for a response with these pairs."""
    at = _sort_at(response.seen_at, opened_at)
    return [(state.session_id, response.id, key, value, own, at) for key, value, own in pairs]


def response_usage_rows(
    state: SessionState, responses: list[Response], opened_at: int
) -> list[Row]:
    """Return the rows of `usage` for those responses that are done."""
    return [
        _usage_row(
            state,
            usage_id_of_response(response),
            "response",
            response.id,
            None,
            _sort_at(response.done_at, opened_at),
            response.session.get("model"),
            usage_of_response(response),
        )
        for response in responses
        if response.done_seq is not None and is_counted(state, usage_id_of_response(response))
    ]


def transcription_rows(
    state: SessionState, billed: Iterable[BilledUsage], opened_at: int
) -> list[Row]:
    """Return the rows of `usage` for transcriptions of the user's speech, and for decisions."""
    return [
        _usage_row(
            state,
            usage_id_of_item(one),
            one.kind,
            None,
            one.item_id,
            _sort_at(one.at, opened_at),
            one.model,
            one.usage,
        )
        for one in billed
        if is_counted(state, usage_id_of_item(one))
    ]


def session_usage_rows(state: SessionState, opened_at: int) -> list[Row]:
    """Return the rows of `usage` of a session that is billed as a whole, or no rows."""
    return [
        _usage_row(
            state,
            one.kind,
            one.kind,
            None,
            None,
            _sort_at(one.at, opened_at),
            one.model,
            one.usage,
        )
        for one in billed_session(state)
        if is_counted(state, one.kind)
    ]


def _usage_row(
    state: SessionState,
    usage_id: str,
    kind: str,
    response_id: str | None,
    item_id: str | None,
    at: int,
    model: Any,
    usage: dict[str, Any] | None,
) -> Row:
    key = (state.session_id, usage_id, kind, response_id, item_id, at, column_text(model))
    tokens, reported = read_usage(usage, writes_text=kind == "transcription")
    return (*key, int(reported), *tokens)


def _sort_at(at: int | None, opened_at: int) -> int:
    # Lists are sorted by time. A recording without times gets the time of its import.
    return at if at is not None else opened_at
