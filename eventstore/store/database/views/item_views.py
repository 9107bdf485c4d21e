"""The views with a row for each item, each score, and each event that is not sealed."""

from __future__ import annotations

from eventstore.store.database.views.view import (
    View,
    boolean,
    both,
    column,
    readable,
    times,
)

_LABEL = readable("s.label")


ITEMS = View(
    "v_items",
    "A row for each item of a conversation: a message, a call of a tool, its output.",
    both(
        "items i LEFT JOIN conversations c ON c.session_id = i.session_id"
        " AND c.position = i.conversation"
    ),
    (
        column("session_id", "text", "i.session_id", "The session's id."),
        column("item_id", "text", "i.item_id", "The item's id in its session."),
        *times("at", "i.at", "When its first event came, if that is known."),
        column("conversation_id", "text", "c.conversation_id", "Its conversation's id, if any."),
        column(
            "order_number",
            "integer",
            "i.position",
            "Rises in the order of its conversation, with gaps; NULL outside of one.",
        ),
        column("type", "text", "i.type", "message, function_call, function_call_output, …."),
        column("role", "text", "i.role", "user, assistant or system."),
        column("status", "text", "i.status", "completed, incomplete or in_progress."),
        column(
            "response_id",
            "text",
            "i.response_id",
            "The response that it is of, or that answered it.",
        ),
        column("seq", "integer", "i.seq", "Its first event in the session."),
        column("deleted", "boolean", boolean("i.deleted_seq IS NOT NULL"), "If it was deleted."),
        column(
            "said",
            "text",
            readable("i.said"),
            "What was said or written; NULL if nothing was, or it is encrypted.",
        ),
    ),
)

SCORES = View(
    "v_scores",
    "A row for each score of a session, a response or an item.",
    both("scores s"),
    (
        column("session_id", "text", "s.session_id", "The session's id."),
        column("target", "text", "s.target", "What is scored: session, response or item."),
        column("response_id", "text", "s.response_id", "The response that is scored, or its item."),
        column(
            "item_id",
            "text",
            "CASE WHEN s.target = 'item' THEN s.target_id END",
            "The item that is scored.",
        ),
        column("name", "text", "s.name", "The score's name."),
        column("given_by", "text", "NULLIF(s.scorer, '')", "Who gave it, if that is told."),
        column("kind", "text", "s.kind", "number, boolean, label or text."),
        column("number", "number", "s.number", "The number; 1 for true and 0 for false."),
        column("label", "text", _LABEL, "The label; NULL if it is encrypted."),
        *times("at", "s.at", "When that which is scored came."),
        column("seq", "integer", "s.seq", "The event that gave it."),
    ),
)

EVENTS = View(
    "v_events",
    "A row for each event that is not sealed: v_sessions.sealed_events says how many are.",
    both("events e"),
    (
        column("session_id", "text", "e.session_id", "The session's id."),
        column("seq", "integer", "e.seq", "The event's number in its session, from 1."),
        *times("at", "e.at", "When it came, if that is known."),
        column("direction", "text", "e.direction", "client, server or store."),
        column("type", "text", "e.type", "Its type, such as response.done."),
        column(
            "frame",
            "text",
            "CASE WHEN e.audio_offset < 0 THEN NULL ELSE e.frame END",
            "The frame as it was sent, without its audio; NULL if it is encrypted, or no text.",
        ),
        column("audio_bytes", "integer", "e.audio_bytes", "How many bytes of audio the frame has."),
    ),
)
