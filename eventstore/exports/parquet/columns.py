"""List the columns of the Parquet files: names and types; table_file.py knows the types of Arrow.

Used by write_parquet.py, update_parquet.py and rows.py.
"""

from __future__ import annotations

from typing import Literal

ColumnType = Literal["text", "texts", "integer", "number", "flag", "time", "pairs", "words"]
Columns = tuple[tuple[str, ColumnType], ...]

SESSION_COLUMNS: Columns = (
    ("session_id", "text"),
    ("at", "time"),
    ("opened_at", "time"),
    ("last_at", "time"),
    ("closed_at", "time"),
    ("closed", "flag"),
    ("duration_ms", "number"),
    ("model", "text"),
    ("protocol", "text"),
    ("events", "integer"),
    ("responses", "integer"),
    ("interruptions", "integer"),
    ("errors", "integer"),
    ("metadata", "pairs"),
    ("resource", "text"),
)

RESPONSE_COLUMNS: Columns = (
    ("session_id", "text"),
    ("response_id", "text"),
    ("at", "time"),
    ("seq", "integer"),
    ("status", "text"),
    ("status_reason", "text"),
    ("model", "text"),
    ("voice", "text"),
    ("modalities", "texts"),
    ("audio_format", "text"),
    ("temperature", "number"),
    ("max_output_tokens", "text"),
    ("conversation_id", "text"),
    ("interrupted", "flag"),
    ("created_at", "time"),
    ("first_text_at", "time"),
    ("first_audio_at", "time"),
    ("done_at", "time"),
    ("speech_ended_at", "time"),
    ("input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("total_tokens", "integer"),
    ("heard", "text"),
    ("metadata", "pairs"),
    ("kind", "text"),
    ("start_ms", "integer"),
    ("end_ms", "integer"),
    ("delegation_id", "text"),
    ("resource", "text"),
)

ITEM_COLUMNS: Columns = (
    ("session_id", "text"),
    ("item_id", "text"),
    ("conversation_id", "text"),
    ("position", "integer"),
    ("type", "text"),
    ("role", "text"),
    ("status", "text"),
    ("response_id", "text"),
    ("seq", "integer"),
    ("at", "time"),
    ("deleted_seq", "integer"),
    ("said", "text"),
    ("heard", "text"),
    ("name", "text"),
    ("call_id", "text"),
    ("languages", "texts"),
    ("words", "words"),
    ("words_from", "text"),
    ("kind", "text"),
    ("start_ms", "integer"),
    ("end_ms", "integer"),
    ("backchannel", "flag"),
    ("context", "text"),
    ("delegation_id", "text"),
    ("delegation_target", "text"),
    ("resource", "text"),
)

SCORE_COLUMNS: Columns = (
    ("session_id", "text"),
    ("response_id", "text"),
    ("item_id", "text"),
    ("name", "text"),
    ("by", "text"),
    ("kind", "text"),
    ("number", "number"),
    ("value", "text"),
    ("reason", "text"),
    ("at", "time"),
    ("seq", "integer"),
    ("scored_at", "time"),
)

USAGE_COLUMNS: Columns = (
    ("session_id", "text"),
    ("kind", "text"),
    ("response_id", "text"),
    ("item_id", "text"),
    ("at", "time"),
    ("model", "text"),
    ("reported", "flag"),
    ("input_tokens", "integer"),
    ("output_tokens", "integer"),
    ("total_tokens", "integer"),
    ("input_text", "integer"),
    ("input_audio", "integer"),
    ("input_image", "integer"),
    ("cached_tokens", "integer"),
    ("cached_text", "integer"),
    ("cached_audio", "integer"),
    ("cached_image", "integer"),
    ("output_text", "integer"),
    ("output_audio", "integer"),
    ("audio_ms", "integer"),
    ("cost_usd", "number"),
)

#: The columns of each table, in the order in which rows.py makes the tables' rows.
TABLES = {
    "sessions": SESSION_COLUMNS,
    "responses": RESPONSE_COLUMNS,
    "items": ITEM_COLUMNS,
    "usage": USAGE_COLUMNS,
    "scores": SCORE_COLUMNS,
}
