"""The command `audio`, which writes a session's sound and a picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eventstore.cli import completion
from eventstore.cli.options import db_option, given_options, json_option, open_to_read
from eventstore.cli.terminal.output import print_json, print_line, progress_bar, say
from eventstore.event_store import EventStore

_FORMATS = ("wav", "flac", "ogg")
_PICTURES = ("png", "svg")
_SINCE = "Since the first event; in a GPT-Live session, on its timeline."


@click.command()
@click.argument("session_id", metavar="SESSION", shell_complete=completion.sessions)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The sound: a name that ends with .wav, .flac or .ogg.",
)
@click.option("--item", metavar="ID", help="One item alone, in one channel.")
@click.option("--response", metavar="ID", help="One response alone, in one channel.")
@click.option("--side", type=click.Choice(("user", "assistant")), help="One side, in one channel.")
@click.option("--from", "start", type=float, metavar="SECONDS", help=_SINCE)
@click.option("--to", "end", type=float, metavar="SECONDS", help=_SINCE)
@click.option(
    "--rate", type=int, metavar="HZ", help="Sample rate; by default the highest in the recording."
)
@click.option(
    "--recording",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Take the sound from this recording of a GPT-Live session, which its server stored.",
)
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A picture of the sound: .png or .svg (needs matplotlib).",
)
@db_option
@json_option
def audio(
    session_id: str,
    output: Path | None,
    rate: int | None,
    plot: Path | None,
    url: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Write what was heard in a session as a sound file.

    The sound is stereo, the user left and the assistant right, each at the time at which it was
    heard. The assistant's speech is cut where it was interrupted. With --plot, it draws a picture
    of both waveforms with the turns and the interruptions.

    Second 0 is the session's first event, and in a GPT-Live session the beginning of its timeline.
    With --recording, the sound is that of the recording that the server of a GPT-Live session
    stored: stereo, the user left. Items and responses are cut out of it by the log.

    \b
    Examples:
      eventstore audio sess_123 -o call.wav
      eventstore audio sess_123 -o answer.flac --response resp_456
      eventstore audio sess_123 -o part.ogg --side user --from 60 --to 90
      eventstore audio sess_123 --plot call.png
      eventstore audio sess_123 -o answer.wav --response resp_456 --recording stored.wav
    """
    if output is None and plot is None:
        raise click.UsageError("name a file with -o, or with --plot")
    selected = given_options(options)
    for path, formats in ((output, _FORMATS), (plot, _PICTURES)):
        if path is not None and _format(path) not in formats:
            raise click.BadParameter(f"{path}: use a name that ends with .{', .'.join(formats)}")
    written: dict[str, Any] = {}
    with open_to_read(url) as store:
        if output is not None:
            written = _write(
                store, session_id, output, {**selected, **given_options({"rate": rate})}
            )
        if plot is not None:
            store.plot(session_id, plot, _format(plot), **selected)  # type: ignore[arg-type]
            written["plot"] = str(plot)
    if as_json:
        print_json({"object": "eventstore.audio", "session_id": session_id, **written})
        return
    for line in _lines(written):
        print_line(line)


def _format(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _write(
    store: EventStore, session_id: str, path: Path, options: dict[str, Any]
) -> dict[str, Any]:
    with progress_bar(path.name, 0) as bar:

        def progress(done: float, total: float) -> None:
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done, total=total)

        done = store.audio(session_id, path, _format(path), progress=progress, **options)  # type: ignore[arg-type]
    return {"file": str(path), **done._asdict()}


def _lines(written: dict[str, Any]) -> list[str]:
    lines = []
    if "file" in written:
        channels = "stereo" if written["channels"] == 2 else "mono"
        lines.append(
            f"{written['file']}: {written['seconds']:.1f} s, {channels}, {written['rate']} Hz"
        )
        for note in written["notes"]:
            say(f"note: {note}")
    if "plot" in written:
        lines.append(f"{written['plot']}: drawn")
    return lines


COMMANDS = (audio,)
