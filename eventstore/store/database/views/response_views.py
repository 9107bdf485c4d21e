"""The views with a row for each response, each pair of its metadata, and each line of usage."""

from __future__ import annotations

from eventstore.projection.facets import RESPONSE_KIND
from eventstore.projection.views.usage import Reported
from eventstore.store.database.views.view import (
    Sql,
    View,
    ViewColumn,
    boolean,
    both,
    column,
    day_of_time,
    elapsed,
    encrypted,
    known,
    milliseconds,
    or_empty,
    reported,
    summed_up,
    times,
)

_OF_RESPONSE = "session_id = r.session_id AND {0}.response_id = r.response_id"
_ENCRYPTED = encrypted("r.resource")
_SESSIONS_FIRST = (
    "NOT EXISTS (SELECT 1 FROM response_metadata n WHERE n."
    f"{_OF_RESPONSE.format('n')} AND n.key = m.key AND n.own = 0)"
)
#: A value of the session stands before the response's own value of the same key, as in usage.
_METADATA = (
    f"FROM response_metadata m WHERE m.{_OF_RESPONSE.format('m')}"
    f" AND (m.own = 0 OR {_SESSIONS_FIRST})"
)
_TOOLS = f"FROM response_facets w WHERE w.{_OF_RESPONSE.format('w')} AND w.facet = 'tool'"
_TABLES = (
    "responses r LEFT JOIN usage u ON u.session_id = r.session_id"
    " AND u.usage_id = 'response/' || r.response_id"
)
_KEYS = (("session_id", "r.session_id"), ("response_id", "r.response_id"))
_PAIRS = "jsonb_object_agg(d.key, d.value ORDER BY d.own DESC) AS pairs"
_FACETS = (
    "jsonb_agg(d.value ORDER BY d.value) FILTER (WHERE d.facet = 'tool') AS tools,"
    f" MIN(d.value) FILTER (WHERE d.facet = '{RESPONSE_KIND}') AS kind"
)
_SOURCE = Sql(
    _TABLES,
    _TABLES
    + summed_up("m", _PAIRS, "response_metadata", *_KEYS)
    + summed_up("w", _FACETS, "response_facets", *_KEYS),
)
_KIND = (
    f"(SELECT MIN(k.value) FROM response_facets k WHERE k.{_OF_RESPONSE.format('k')}"
    f" AND k.facet = '{RESPONSE_KIND}')"
)


def _unless_encrypted(sqlite: str, postgresql: str) -> Sql:
    return Sql(
        f"CASE WHEN {_ENCRYPTED.sqlite} THEN NULL ELSE {sqlite} END",
        f"CASE WHEN {_ENCRYPTED.postgresql} THEN NULL ELSE {postgresql} END",
    )


def _reported(name: str, number: str, about: str) -> ViewColumn:
    """Return a column of usage, which is NULL if the server reported none."""
    return column(name, "integer", reported(number), about)


_BY_KIND = (
    _reported("input_text_tokens", "input_text", "The input tokens that are text."),
    _reported("input_audio_tokens", "input_audio", "The input tokens that are audio."),
    _reported("input_image_tokens", "input_image", "The input tokens that are images."),
    _reported("cached_tokens", "cached_tokens", "The input tokens that were cached."),
    _reported("cached_text_tokens", "cached_text", "The cached tokens that are text."),
    _reported("cached_audio_tokens", "cached_audio", "The cached tokens that are audio."),
    _reported("cached_image_tokens", "cached_image", "The cached tokens that are images."),
    _reported("output_text_tokens", "output_text", "The output tokens that are text."),
    _reported("output_audio_tokens", "output_audio", "The output tokens that are audio."),
)

RESPONSES = View(
    "v_responses",
    "A row for each response.",
    _SOURCE,
    (
        column("session_id", "text", "r.session_id", "The session's id."),
        column("response_id", "text", "r.response_id", "The response's id in its session."),
        *times(
            "created_at",
            "r.at",
            "When its first event came; of a recording without times, when it was imported.",
        ),
        column("day", "date", day_of_time("r.at"), "The day of created_at, in UTC."),
        *times("done_at", "r.done_at", "When it was done; NULL if it was not."),
        column("seq", "integer", "r.seq", "Its first event in the session."),
        column(
            "status",
            "text",
            "r.status",
            "completed, cancelled, failed, incomplete or in_progress.",
        ),
        column("status_reason", "text", "r.status_reason", "Why it ended, such as turn_detected."),
        column("model", "text", "r.model", "The model that answered."),
        column("voice", "text", "r.voice", "The voice."),
        column("modalities", "text", "r.modalities", "text, audio, or audio,text."),
        column("conversation_id", "text", "r.conversation_id", "Its conversation, if any."),
        column(
            "kind",
            "text",
            _unless_encrypted(_KIND, "w.kind"),
            "Of GPT-Live: spoken or delegated; otherwise NULL.",
        ),
        column(
            "interrupted", "boolean", boolean("r.interrupted = 1"), "If the user interrupted it."
        ),
        column(
            "answer_ms",
            "number",
            milliseconds(known("r.answer_us")),
            "How long the user waited: from the end of speech to the first audio, otherwise from"
            " its creation to its first audio or text.",
        ),
        column(
            "first_audio_ms",
            "number",
            milliseconds(f"({elapsed('r.created_at', 'r.first_audio_at')})"),
            "From its creation to its first audio.",
        ),
        column(
            "first_text_ms",
            "number",
            milliseconds(f"({elapsed('r.created_at', 'r.first_text_at')})"),
            "From its creation to its first text.",
        ),
        column(
            "duration_ms",
            "number",
            milliseconds(known("r.duration_us")),
            "From its creation to its end.",
        ),
        column("input_tokens", "integer", "r.input_tokens", "0 if no usage was reported."),
        column("output_tokens", "integer", "r.output_tokens", "0 if no usage was reported."),
        column("total_tokens", "integer", "r.total_tokens", "0 if no usage was reported."),
        *_BY_KIND,
        column(
            "metadata",
            "JSON",
            Sql(
                f"(SELECT json_group_object(m.key, m.value) {_METADATA})",
                or_empty("m.pairs", "{}"),
            ),
            "Its own metadata and those of its session, which win. To filter by them, join"
            " v_response_metadata.",
        ),
        column(
            "tools",
            "JSON",
            _unless_encrypted(
                f"(SELECT json_group_array(w.value) {_TOOLS})", or_empty("w.tools", "[]")
            ),
            "The names of the tools that it called, as a list; NULL if encrypted.",
        ),
    ),
)

RESPONSE_METADATA = View(
    "v_response_metadata",
    "A row for each pair by which a response is found, with an index by key, value and time.",
    both("response_metadata m"),
    (
        column("session_id", "text", "m.session_id", "The session's id."),
        column("response_id", "text", "m.response_id", "The response's id."),
        column("key", "text", "m.key", "The key."),
        column("value", "text", "m.value", "Its value."),
        column(
            "of_session",
            "boolean",
            boolean("m.own = 0"),
            "True if the pair is its session's, and not its own.",
        ),
        column(
            "created_at_us",
            "integer",
            "m.at",
            "created_at_us of the response; ORDER BY it needs no sort.",
        ),
    ),
)

USAGE = View(
    "v_usage",
    "A row for each thing that is billed: a response, a transcription, a decision, a session.",
    both("usage u"),
    (
        column("session_id", "text", "u.session_id", "The session's id."),
        column("usage_id", "text", "u.usage_id", "The line's id in its session."),
        column("kind", "text", "u.kind", "response, transcription, …: what is billed."),
        column("response_id", "text", "u.response_id", "The response that is billed."),
        column("item_id", "text", "u.item_id", "The item that is billed."),
        *times("at", "u.at", "When it was used."),
        column("day", "date", day_of_time("u.at"), "The day of at, in UTC."),
        column("model", "text", "u.model", "The model that is billed."),
        column(
            "reported",
            "boolean",
            boolean("u.reported <> 0"),
            "False if the server told no usage that has a price: numbers are NULL.",
        ),
        _reported("input_tokens", "input_tokens", "All input tokens."),
        _reported("output_tokens", "output_tokens", "All output tokens."),
        _reported("total_tokens", "total_tokens", "Input and output tokens."),
        *_BY_KIND,
        column(
            "audio_s",
            "number",
            f"CASE WHEN (u.reported & {int(Reported.SECONDS)}) <> 0"
            " THEN CAST(u.audio_ms AS DOUBLE PRECISION) / 1000 END",
            "Seconds of audio, if it is billed by them.",
        ),
    ),
)
