"""`python -m eventstore.demo`: the main job on the sample call, command by command."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from eventstore.cli.main import run
from eventstore.demo import call_lines

FOLDER = Path(".demo")
SESSION = "sess_Demo0wh8M7iLQ5xcsWTic"
SPEED = "6"

#: What is shown, and why.
STEPS = (
    (
        "Record: import a call of half a minute, every frame exactly as it crossed the wire.",
        "import .demo/call.jsonl --metadata customer=42",
    ),
    ("List the sessions.", "sessions"),
    ("Show the conversation: what was said, and what nobody heard.", f"show {SESSION}"),
    (
        "Query responses by metadata, their own or their session's.",
        "responses --metadata customer=42 --metadata topic=delivery",
    ),
    ("Search in what was said.", "responses --text saddle"),
    ("Sum up tokens and money.", "usage --by model"),
    (f"Replay it, {SPEED} times as fast.", f"replay {SESSION} --speed {SPEED}"),
)


def main() -> int:
    """Run the steps in a fresh folder .demo; the first failing exit code, or 0."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with (FOLDER / "call.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(line + "\n" for line in call_lines())
    os.environ["EVENTSTORE_URL"] = f"sqlite:///{FOLDER}/demo.db"
    for why, command in STEPS:
        print(f"\n# {why}\n$ eventstore {command}", flush=True)
        code = run(shlex.split(command))
        if code:
            return code
    print(
        f"\nThe store is {FOLDER}/demo.db. Go on with, for one:"
        f"\n  .venv/bin/eventstore show {SESSION} --at +20 --db sqlite:///{FOLDER}/demo.db"
        f"\nor look at it in a browser:\n  .venv/bin/eventstore serve --db sqlite:///{FOLDER}/demo.db"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
