"""Follow a page of docs/clients as its reader would: write its files, run its commands in order.

A fenced block whose first line is a comment with a file's name (`# agent.py`, `// agent.mjs`) is
that file. Commands of `console` blocks are run by bash, and what the page shows below them is
compared as `support.doc_examples` says. A command that serves (`SERVES`) goes on until the page
ends, or until it is started again; what it shows is what it begins with. What differs on a reader's
machine is replaced:

- ports, by free ones, and the providers' addresses, by a scripted server's
- keys that are written as `sk-…`
- what differs each time (`VARIES`): what a server printed where the page shows it
"""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE
from typing import Any

from support.doc_examples import Step, blocks, pattern_of, steps
from support.relaying import eventually

FILE = re.compile(r"(?:#|//) (\w+\.\w+)")
SERVES = re.compile(r"eventstore record|eventstore replay|python bridge\.py|litellm --config")
VARIES = re.compile(r"\bsess_\w+|/tmp/eventstore-tls-\w+")
PORTS = re.compile(r"\b(?:8080|8081|4000|5050)\b")
UPSTREAMS = re.compile(r"(?:wss|https)://(?:api\.openai\.com|NAME[\w.-]*\.azure\.com)")
#: A key of this run: LiteLLM wants one that nobody guesses.
KEY = f"sk-{secrets.token_hex(32)}"
_LIMIT, _SOON = 90, 10


@dataclass
class Serving:
    """A command that serves, and where its output goes."""

    step: Step
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def printed(self) -> str:
        return self.output.read_text(encoding="utf-8")


@dataclass
class Reader:
    """Somebody who follows a page.

    Attributes:
        origin: the server that stands for the providers.
        names: what stands for what the page has.
    """

    folder: Path
    environment: dict[str, str]
    origin: str
    names: dict[str, str] = field(default_factory=lambda: {"sk-…": KEY})
    serving: list[Serving] = field(default_factory=list)

    def follow(self, page: Path) -> None:
        """Do all that a page says, in order, with the files beside it that it links to."""
        for linked in re.findall(r"\]\((\w+\.py)\)", page.read_text(encoding="utf-8")):
            text = (page.parent / linked).read_text(encoding="utf-8")
            (self.folder / linked).write_text(self.translated(text), encoding="utf-8")
        for block in blocks(page):
            named = FILE.match(block.text)
            if block.language == "console":
                for step in steps(block.text):
                    self.run(step)
            else:
                assert named, f"{page.name}:{block.line}: no command, and no file that has a name"
                text = self.translated(block.text)
                (self.folder / named[1]).write_text(text, encoding="utf-8")

    def run(self, step: Step) -> None:
        """Run a command, and compare what it prints unless it goes on."""
        command = ["bash", "-c", f"set -o pipefail; {self.translated(step.command)}"]
        options: dict[str, Any] = {"cwd": self.folder, "env": self.environment}
        serves = SERVES.search(step.command)
        if serves:
            self.end(serves[0])
            command[-1] = command[-1].replace("; ", "; exec env ", 1)
            output = self.folder / f"server-{len(self.serving)}.txt"
            with output.open("wb") as file:
                process = subprocess.Popen(command, stdout=file, stderr=file, **options)
            self.serving.append(Serving(step, process, output))
            self.wait_until_it_listens(self.serving[-1])
            return
        # What was recorded is in the store a moment later: what is asked of it may be asked again.
        limit = time.monotonic() + (_SOON if step.command.startswith("eventstore") else 0)
        shown, out = self.pattern(step.shown), self.printed_by(command, options)
        while not re.fullmatch(shown, stripped(out)) and time.monotonic() < limit:
            out = self.printed_by(command, options)
        self.compare(step, out)

    def printed_by(self, command: list[str], options: dict[str, Any]) -> str:
        """What a command prints to standard output; it must succeed."""
        with subprocess.Popen(
            command, stdout=PIPE, stderr=PIPE, text=True, start_new_session=True, **options
        ) as process:
            try:
                out, err = process.communicate(timeout=_LIMIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        assert process.returncode == 0, f"{command[-1]}\n{out}{err}{self.told()}"
        return out

    def end(self, program: str) -> None:
        """End one that serves, as who starts it again has done."""
        for served in self.serving:
            if program in served.step.command:
                served.process.kill()
                served.process.wait()

    def wait_until_it_listens(self, served: Serving) -> None:
        """Wait for what a page shows of it."""
        begins = re.compile(self.pattern(served.step.shown))

        def listens() -> bool:
            assert served.process.poll() is None, f"{served.step.command}\n{served.printed}"
            return begins.match(served.printed) is not None

        with suppress(AssertionError):  # what was printed says more
            eventually(listens, _LIMIT)
        self.compare(served.step._replace(shown=[*served.step.shown, "…"]), served.printed)

    def compare(self, step: Step, printed: str) -> None:
        """Compare what is shown with what was printed, and note what varies."""
        if not step.shown:
            return
        found = re.fullmatch(self.pattern(step.shown), stripped(printed))
        shown = "\n".join(step.shown)
        assert found, f"{step.command}\nshown:\n{shown}\nprinted:\n{printed}{self.told()}"
        for token in VARIES.findall(shown):
            self.names.setdefault(token, found.groupdict().get(group_of(token), ""))

    def told(self) -> str:
        return "".join(f"\n{one.step.command}\n{one.printed}" for one in self.serving)

    def translated(self, text: str) -> str:
        """A page's text with what stands for ports, addresses and what differs each time."""
        text = UPSTREAMS.sub(self.origin, text)
        text = PORTS.sub(lambda found: self.port(found[0]), text)
        for name, value in self.names.items():
            text = text.replace(name, value)
        return text

    def port(self, shown: str) -> str:
        return self.names.setdefault(shown, str(free_port()))

    def pattern(self, shown: list[str]) -> str:
        """The expression for what is shown, with what varies as groups where it is not known."""
        text = PORTS.sub(lambda found: self.port(found[0]), "\n".join(shown))
        known = UPSTREAMS.sub(self.origin, text).split("\n")
        pattern = pattern_of(known)
        for token in dict.fromkeys(VARIES.findall("\n".join(shown))):
            escaped = re.escape(token)
            if token in self.names:
                pattern = pattern.replace(escaped, re.escape(self.names[token]))
            else:
                group = group_of(token)
                pattern = pattern.replace(escaped, rf"(?P<{group}>[\w/.-]+?)", 1)
                pattern = pattern.replace(escaped, f"(?P={group})")
        return pattern


def group_of(token: str) -> str:
    """The name of the group of what varies."""
    return f"v{token.encode().hex()}"


def stripped(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.splitlines())


def free_port() -> int:
    """A port that is free, and that no system gives to who asks for any."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as trial, suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port


@contextmanager
def reading(folder: Path, programs: list[Path], origin: str, **more: str) -> Iterator[Reader]:
    """A reader with an empty folder, whose servers are killed with the block if it fails.

    Args:
        programs: where `python`, `pytest` and `eventstore` are.
    """
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("EVENTSTORE_")},
        "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        "OPENAI_API_KEY": KEY,
        "AZURE_OPENAI_API_KEY": "none",
        "AZURE_VOICELIVE_API_KEY": "none",
        "EVENTSTORE_CASSETTE_UPSTREAM": f"{origin}/v1",
        "COLUMNS": "140",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
        "PYTHONWARNINGS": "ignore",
        **more,
    }
    reader = Reader(folder, environment, origin)
    try:
        yield reader
    finally:
        for served in reader.serving:
            served.process.kill()
            served.process.wait()
