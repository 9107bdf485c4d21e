"""Makes pictures of commands' output for the docs: `python -m tools.pictures docs/images`."""

from __future__ import annotations

import os
import shlex
import tempfile
from io import StringIO
from pathlib import Path

import click
from rich.console import Console

from eventstore.cli.main import run
from eventstore.cli.terminal.output import printing_to
from eventstore.demo import call_lines
from eventstore.demo.__main__ import DEMO_SESSION

PICTURES = {
    "state.svg": (f"state {DEMO_SESSION}", 140),
    "replay.svg": (f"replay {DEMO_SESSION} --instant", 196),
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Write the pictures of commands into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        call = Path(scratch, "call.jsonl")
        call.write_text("".join(line + "\n" for line in call_lines()), encoding="utf-8")
        os.environ["EVENTSTORE_URL"] = f"sqlite:///{scratch}/calls.db"
        run(["import", str(call), "--metadata", "customer=42"])
        for name, (command, width) in PICTURES.items():
            console = Console(
                record=True, width=width, highlight=False, force_terminal=True, file=StringIO()
            )
            with printing_to(console):
                run(shlex.split(command))
            console.save_svg(str(folder / name), title=f"eventstore {command}")
        run(["audio", DEMO_SESSION, "--plot", str(folder / "audio.png")])


if __name__ == "__main__":
    main()
