"""The views with a row for each session, and for each pair of a session's metadata."""

from __future__ import annotations

from eventstore.projection.facets import PROTOCOL
from eventstore.realtime.protocols import LIVE, REALTIME
from eventstore.store.database.views.view import (
    Sql,
    View,
    boolean,
    both,
    column,
    day_of_time,
    encrypted,
    known,
    milliseconds,
    or_empty,
    reported,
    summed_up,
    times,
)

_ENCRYPTED = encrypted("s.notes")
_OF_IT = "session_id = s.session_id"
_KEY = ("session_id", "s.session_id")
_LENGTH = "(t.last_at - f.counts_from)"
_IS_LIVE = Sql(
    f"EXISTS (SELECT 1 FROM session_facets p WHERE p.{_OF_IT}"
    f" AND p.facet = '{PROTOCOL}' AND p.value = '{LIVE}')",
    "w.is_live",
)
_TOKENS = (
    *("input_tokens", "output_tokens", "total_tokens", "input_text", "input_audio"),
    *("input_image", "cached_tokens", "output_text", "output_audio"),
)
_TABLES = (
    "sessions s LEFT JOIN streams t ON t.session_id = s.session_id"
    " LEFT JOIN session_figures f ON f.session_id = s.session_id"
    " LEFT JOIN session_costs c ON c.session_id = s.session_id"
)
_SUMS = ", ".join(f"SUM({reported(name, 'd')}) AS {name}" for name in _TOKENS)
_FACETS = (
    "jsonb_agg(d.value ORDER BY d.value) FILTER (WHERE d.facet = 'tool') AS tools,"
    f" bool_or(d.facet = '{PROTOCOL}' AND d.value = '{LIVE}') AS is_live"
)
_SOURCE = Sql(
    _TABLES,
    _TABLES
    + summed_up("u", _SUMS, "usage", _KEY)
    + summed_up("m", "jsonb_object_agg(d.key, d.value) AS pairs", "session_metadata", _KEY)
    + summed_up("w", _FACETS, "session_facets", _KEY),
)


def _unless_encrypted(sqlite: str, postgresql: str) -> Sql:
    return Sql(
        f"CASE WHEN {_ENCRYPTED.sqlite} THEN NULL ELSE {sqlite} END",
        f"CASE WHEN {_ENCRYPTED.postgresql} THEN NULL ELSE {postgresql} END",
    )


def _protocol(is_live: str) -> str:
    return f"CASE WHEN {is_live} THEN '{LIVE}' ELSE '{REALTIME}' END"


def _sum(name: str) -> Sql:
    added = f"(SELECT SUM({reported(name)}) FROM usage u WHERE u.{_OF_IT})"
    return Sql(f"CAST({added} AS BIGINT)", f"CAST(u.{name} AS BIGINT)")


SESSIONS = View(
    "v_sessions",
    "A row for each session.",
    _SOURCE,
    (
        column("session_id", "text", "s.session_id", "The session's id."),
        *times(
            "started_at",
            "s.at",
            "When its first event came; of a recording without times, when it was imported.",
        ),
        column("day", "date", day_of_time("s.at"), "The day of started_at, in UTC."),
        *times("last_event_at", "t.last_at", "When its last event came, if that is known."),
        column(
            "length_s",
            "number",
            f"CASE WHEN {_LENGTH} < 0 THEN 0"
            f" ELSE CAST({_LENGTH} AS DOUBLE PRECISION) / 1000000 END",
            "Seconds from its first event to its last, without jumps of the clock.",
        ),
        column(
            "status",
            "text",
            "CASE WHEN s.closed = 1 THEN 'ended' ELSE 'live' END",
            "live while it is open, then ended.",
        ),
        column("model", "text", "s.model", "The model that the server named last."),
        column(
            "protocol",
            "text",
            _unless_encrypted(_protocol(_IS_LIVE.sqlite), _protocol(_IS_LIVE.postgresql)),
            "realtime, or live for GPT-Live; NULL if encrypted.",
        ),
        column("events", "integer", "t.head_seq", "How many events it has."),
        column(
            "sealed_events",
            "integer",
            "COALESCE(t.sealed_seq, 0)",
            "How many of them are sealed, and so are not in v_events.",
        ),
        column("responses", "integer", "s.responses", "How many responses it has."),
        column(
            "turns", "integer", known("f.turns"), "How many messages the user and the model have."
        ),
        column("interruptions", "integer", "s.interruptions", "How often the user interrupted."),
        column("errors", "integer", "s.errors", "How many errors the server sent."),
        column(
            "slowest_answer_ms",
            "number",
            milliseconds(known("f.slowest_us")),
            "The longest wait for an answer: the greatest answer_ms of its responses.",
        ),
        column("input_tokens", "integer", _sum("input_tokens"), "Sums of v_usage."),
        column("output_tokens", "integer", _sum("output_tokens"), "As input_tokens."),
        column("total_tokens", "integer", _sum("total_tokens"), "As input_tokens."),
        column("input_text_tokens", "integer", _sum("input_text"), "As input_tokens."),
        column("input_audio_tokens", "integer", _sum("input_audio"), "As input_tokens."),
        column("input_image_tokens", "integer", _sum("input_image"), "As input_tokens."),
        column("cached_tokens", "integer", _sum("cached_tokens"), "A part of input_tokens."),
        column("output_text_tokens", "integer", _sum("output_text"), "As input_tokens."),
        column("output_audio_tokens", "integer", _sum("output_audio"), "As input_tokens."),
        column(
            "known_cost_usd",
            "number",
            "CASE WHEN c.prices <> '' AND c.usd >= 0 THEN c.usd END",
            "What its usage with a known price costs, as `eventstore project` computed it last;"
            " NULL if nothing has one, or it was not computed yet.",
        ),
        column(
            "cost_prices",
            "text",
            "NULLIF(c.prices, '')",
            "The list of prices that known_cost_usd is of: equal lists have equal names.",
        ),
        column(
            "metadata",
            "JSON",
            Sql(
                "(SELECT json_group_object(m.key, m.value) FROM session_metadata m"
                f" WHERE m.{_OF_IT})",
                or_empty("m.pairs", "{}"),
            ),
            "Its metadata as an object. To filter by them, join v_session_metadata.",
        ),
        column(
            "tools",
            "JSON",
            _unless_encrypted(
                f"(SELECT json_group_array(w.value) FROM session_facets w WHERE w.{_OF_IT}"
                " AND w.facet = 'tool')",
                or_empty("w.tools", "[]"),
            ),
            "The names of the tools that it called, as a list; NULL if encrypted.",
        ),
        column(
            "encrypted",
            "boolean",
            Sql(boolean(_ENCRYPTED.sqlite).sqlite, boolean(_ENCRYPTED.postgresql).postgresql),
            "True if what was said is encrypted, and therefore NULL in the views.",
        ),
    ),
)

SESSION_METADATA = View(
    "v_session_metadata",
    "A row for each pair of a session's metadata, with an index by key, value and time.",
    both("session_metadata m"),
    (
        column("session_id", "text", "m.session_id", "The session's id."),
        column("key", "text", "m.key", "The key."),
        column("value", "text", "m.value", "Its value."),
        column(
            "started_at_us",
            "integer",
            "m.at",
            "started_at_us of the session; ORDER BY it needs no sort.",
        ),
    ),
)
