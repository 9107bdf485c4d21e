"""Commands that read one session: show, events, replay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click
import pybase64
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventstore.cli.options import db_option, dialect_option, json_option, open_store
from eventstore.cli.output import (
    clean,
    console,
    counted,
    echo,
    print_json,
    print_table,
    say,
    seconds,
)
from eventstore.cli.query import print_usage, summary
from eventstore.cli.serving import Serving, serve_options
from eventstore.realtime.dialects import Dialect
from eventstore.realtime.frames import UNREADABLE, decode, parse
from eventstore.realtime.values import dumps, mapping
from eventstore.replay.cues import Cue
from eventstore.replay.player import paced
from eventstore.store.read_stream import StoredEvent
from eventstore.times import to_iso

_STYLES = {
    "user": "bold cyan",
    "assistant": "bold green",
    "aside": "bold magenta",
    "tool": "bold yellow",
    "system": "bold blue",
}
_MARKS = {
    "opened": ("●", "dim"),
    "closed": ("■", "dim"),
    "metadata": ("#", "dim"),
    "interrupted": ("✂", "bold red"),
    "truncated": ("✂", "red"),
    "response_ended": ("!", "red"),
    "deleted": ("-", "red"),
    "error": ("!", "bold red"),
    "unreadable": ("?", "red"),
}


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--at", metavar="SEQ|+SECONDS", help="The state at an event, or at a moment.")
@dialect_option
@db_option
@json_option
def show(session_id: str, at: str | None, dialect: Dialect, url: str, as_json: bool) -> None:
    """Show a session: its conversations, responses and usage, now or at any moment.

    \b
    Examples:
      eventstore show sess_123
      eventstore show sess_123 --at +12.5
      eventstore show sess_123 --at 240 --json
    """
    with open_store(url) as store:
        shown = store.show(session_id, at, dialect)
    if as_json:
        print_json(shown)
        return
    _print_session(shown["session"])
    for conversation in shown["conversations"]:
        echo(f"\nconversation {conversation['id'] or '(unnamed)'}")
        for item in conversation["items"]:
            _print_item(console(), item)
    outside = [r for r in shown["responses"] if not r["eventstore"]["in_conversation"]]
    if outside:
        echo("\noutside the conversation")
        for response in outside:
            _print_line(console(), "aside", "aside", summary(response))
    if shown["responses"]:
        echo()
        _print_responses(shown["responses"])
        echo()
        print_usage([shown["usage"] | {"key": "usage"}])


def _print_session(session: dict[str, Any]) -> None:
    notes = session["eventstore"]
    state = "closed" if notes["closed"] else "open"
    length = seconds(notes["duration_ms"]) or "no times recorded"
    echo(f"session {clean(session['id'])} · {clean(str(session.get('model')))} · {state}")
    echo(
        f"{counted(notes['events'], 'event')} · {notes['opened_at'] or ''} {length}"
        f" · {counted(notes['responses'], 'response')}"
        f" · {counted(notes['interruptions'], 'interruption')}"
    )
    if notes["metadata"]:
        pairs = " ".join(f"{key}={value}" for key, value in notes["metadata"].items())
        echo(f"metadata {clean(pairs)}")
    for side, words in notes.get("translation", {}).items():
        if isinstance(words, str):
            echo(f"translation {side}: {clean(words)}")
    if notes["unknown_types"]:
        counts = ", ".join(f"{clean(t)} ×{n}" for t, n in notes["unknown_types"].items())
        echo(f"events of unknown types: {counts}")
    for diagnostic in notes["diagnostics"]:
        echo(f"! event {diagnostic['seq']}: {diagnostic['code']}: {clean(diagnostic['message'])}")


def _print_item(out: Console, item: dict[str, Any]) -> None:
    kind, notes = item.get("type"), item.get("eventstore", {})
    if kind in ("function_call", "mcp_call"):
        call = f"{item.get('name')}({' '.join(str(item.get('arguments')).split())})"
        _print_line(out, "assistant", "calls", call)
        if kind == "mcp_call" and item.get("output") is not None:
            _print_line(out, "tool", "tool", str(item["output"]))
    elif kind == "function_call_output":
        _print_line(out, "tool", "tool", str(item.get("output")))
    elif kind == "message":
        _print_message(out, item, notes)
    else:
        _print_line(out, "system", str(kind), str(item.get("server_label") or ""))


def _print_message(out: Console, item: dict[str, Any], notes: dict[str, Any]) -> None:
    role = str(item.get("role") or "?")
    generated, heard = notes.get("generated"), notes.get("heard")
    if notes.get("truncated") and isinstance(generated, str) and isinstance(heard, str):
        unheard = generated.removeprefix(heard).strip()
        _print_line(out, role, role, heard, unheard=unheard)
        return
    parts = [part for part in item.get("content") or [] if isinstance(part, dict)]
    words = " ".join(str(part.get("text") or part.get("transcript") or "") for part in parts)
    if not words.strip():
        kinds = ", ".join(str(part.get("type")) for part in parts) or item.get("status") or "empty"
        words = f"({kinds})"
    if item.get("status") == "incomplete":
        words += " …"
    _print_line(out, role, role, words)


def _print_line(out: Console, style: str, label: str, words: str, unheard: str = "") -> None:
    said = Text(clean(words))
    if unheard:
        said.append(f" [not heard: {clean(unheard)}]", style="dim italic")
    # A grid, so that long turns stay in their column.
    row = Table.grid(padding=(0, 1))
    row.add_column(width=12, no_wrap=True)
    row.add_column(overflow="fold")
    row.add_row(Text(f"  {clean(label)[:10]}", style=_STYLES.get(style, "bold")), said)
    out.print(row)


def _print_responses(responses: Iterable[dict[str, Any]]) -> None:
    rows = []
    for response in responses:
        notes, usage = response["eventstore"], response.get("usage")
        details = response.get("status_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        status = " ".join(str(part) for part in (response["status"], reason) if part)
        rows.append(
            (
                response["id"],
                status + (" (interrupted)" if notes["interrupted"] else ""),
                notes["trigger"],
                seconds(notes["speech_to_first_audio_ms"]),
                seconds(notes["time_to_first_audio_ms"]),
                usage.get("total_tokens") if isinstance(usage, dict) else None,
                " ".join(f"{k}={v}" for k, v in mapping(response.get("metadata")).items()),
            )
        )
    print_table(
        ("RESPONSE", "STATUS", "BY", ">SPEECH→AUDIO", ">ASKED→AUDIO", ">TOKENS", "METADATA"), rows
    )


@click.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--type", "glob", metavar="GLOB", help="Only these types, such as 'response.*'.")
@click.option("--from", "first", type=click.IntRange(1), default=1, metavar="SEQ")
@click.option("--to", "last", type=click.IntRange(1), metavar="SEQ")
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line an event.")
def events(
    session_id: str, glob: str | None, first: int, last: int | None, url: str, as_json: bool
) -> None:
    """List a session's events, each frame exactly as it was received.

    \b
    Examples:
      eventstore events sess_123 --type 'response.*'
      eventstore events sess_123 --from 100 --to 120 --json
    """
    with open_store(url) as store:
        for event in store.events(session_id, first, last, glob):
            click.echo(_event_json(event) if as_json else _event_line(event))


def _event_json(event: StoredEvent) -> str:
    """One event as a line; `event` is null where the frame cannot be read."""
    text = event.text
    line = {
        "seq": event.seq,
        "at": to_iso(event.at),
        "direction": event.direction,
        "type": None if event.type == UNREADABLE else event.type,
        "frame": text if isinstance(text, str) else None,
        "event": parse(text) if isinstance(text, str) else None,
    }
    if isinstance(text, bytes):
        line["frame_base64"] = pybase64.b64encode_as_string(text)
    return dumps(line)


def _event_line(event: StoredEvent) -> str:
    time = (to_iso(event.at) or "")[11:23]
    arrow = {"client": "→", "server": "←", "store": "·"}[event.direction]
    kept = decode(event.text)
    frame = kept.frame if kept.audio_offset is None or kept.audio_offset >= 0 else str(event.text)
    audio = f" [{len(kept.audio)} bytes of audio]" if kept.audio and kept.audio_offset else ""
    line = clean(frame)
    shown = line if len(line) <= 140 else line[:139] + "…"
    return f"{event.seq:>6} {time:<12} {arrow} {clean(event.type)}{audio} {shown}"


@click.command()
@click.argument("session_id", metavar="[SESSION]", required=False)
@click.option("--speed", type=click.FloatRange(0.01, 10_000), default=1.0, show_default=True)
@click.option("--instant", is_flag=True, help="All at once.")
@serve_options
@db_option
@json_option
def replay(
    session_id: str | None,
    speed: float,
    instant: bool,
    serving: Serving | None,
    url: str,
    as_json: bool,
) -> None:
    """Replay a conversation as it happened, at its own pace or faster.

    With --serve, serve it to real clients over the Realtime websocket: each of the server's frames
    as it was, when it is due and the live client has sent what it answered. Without SESSION, a
    client names the session: ?session=ID, ?model=NAME or ?metadata[KEY]=VALUE.

    \b
    Examples:
      eventstore replay sess_123
      eventstore replay sess_123 --speed 4
      eventstore replay sess_123 --serve 8080
      eventstore replay --serve 8080 --instant --match strict
      eventstore replay sess_123 --serve 8080 --fault 'drop@response.done#2'
    """
    with open_store(url) as store:
        if serving is not None:
            from eventstore.cli.replay_server import serve  # asyncio and websockets take a while

            serve(store, session_id, serving, None if instant else speed)
            return
        if session_id is None:
            raise click.UsageError("name a session, or serve all of them with --serve")
        cues = store.replay(session_id)
        if as_json:
            print_json({"object": "list", "data": [_cue_json(cue) for cue in cues]})
            return
        _play(console(), paced(cues, None if instant else speed), stream=not instant)


def _cue_json(cue: Cue) -> dict[str, Any]:
    return cue._asdict() | {"at": to_iso(cue.at)}


def _play(out: Console, cues: Iterator[Cue], stream: bool) -> None:
    """Print cues as they come; speech grows on its line until somebody else has the floor.

    Args:
        stream: print each piece of speech when it comes, not line by line.
    """
    line: Text | None = None
    speaking = ""
    streamed: set[str] = set()
    timed = False
    for cue in cues:
        timed = timed or cue.offset_ms is not None
        key = f"{cue.speaker}/{cue.id}"
        if cue.kind == "said" and key in streamed:
            continue
        if line is not None and (cue.kind != "saying" or key != speaking):
            out.print("" if stream else line, soft_wrap=True)
            line = None
        if cue.kind != "saying":
            words = Text("speaks …", "dim") if cue.kind == "speaking" else Text(clean(cue.text))
            out.print(_label(cue) + words, soft_wrap=True)
            continue
        piece = Text(clean(cue.text))
        if line is None:
            line = _label(cue, "…" if key in streamed else None)
            piece = line + piece
        if stream:
            out.print(piece, end="", soft_wrap=True)
        line.append(clean(cue.text))
        speaking = key
        streamed.add(key)
    if line is not None:
        out.print("" if stream else line, soft_wrap=True)
    if not timed:
        say("This session was recorded without times, so it was shown at once.")


def _label(cue: Cue, name: str | None = None) -> Text:
    label = Text().append(_clock(cue.offset_ms), style="dim")
    mark = _MARKS.get(cue.kind)
    if mark is not None:
        return label.append(f"{mark[0]} {cue.kind.replace('_', ' ')} ", style=mark[1])
    speaker = cue.speaker or ""
    names = {"tool_call": "calls", "tool_result": "tool"}
    shown = clean(name or names.get(cue.kind, speaker))
    return label.append(f"{shown:<10} ", style=_STYLES.get(speaker, "bold"))


def _clock(offset_ms: float | None) -> str:
    if offset_ms is None:
        return " " * 9
    tenths = max(0, round(offset_ms / 100))
    return f"{tenths // 600:>3}:{tenths % 600 / 10:04.1f}  "


COMMANDS = (show, events, replay)
