"""Run commands as people do, and read what they print."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import eventstore
from eventstore.cli.main import run

#: `eventstore` as a process of its own.
COMMAND = (sys.executable, "-m", "eventstore.cli.main")


class Output(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be exactly one JSON document, of a command that worked."""
        assert self.code == 0, self
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self
        return json.loads(self.out, parse_constant=_refuse)

    @property
    def lines(self) -> list[Any]:
        """Standard output, which must be one JSON document a line."""
        assert self.code == 0, self
        return [json.loads(line, parse_constant=_refuse) for line in self.out.splitlines()]

    def error(self, code: int = 1) -> str:
        """The error, which must be one line on standard error, and nothing beside it."""
        assert (self.code, self.out) == (code, ""), self
        return self.error_beside_output(code)

    def error_beside_output(self, code: int = 1) -> str:
        """The error, which must be one line on standard error."""
        assert self.code == code, self
        assert self.err.startswith("Error: ") and self.err.endswith("\n"), self
        assert self.err.count("\n") == 1 and "Traceback" not in self.err, self
        return self.err.removeprefix("Error: ").strip()


def _refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


class Terminal:
    """Where commands run."""

    def __call__(self, *arguments: str, stdin: bytes = b"") -> Output:
        """Run a command in this process."""
        out, err = _stream(), _stream()
        with (
            redirect_stdout(out),
            redirect_stderr(err),
            mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin))),
        ):
            code = run(list(arguments))
        return Output(code, _text(out), _text(err))

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command as a process of its own."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*COMMAND, *arguments], env=environment(), **{**pipes, **options})

    def apart(self, *arguments: str, stdin: bytes = b"", **options: Any) -> Output:
        """Run a command in a process of its own."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(stdin, timeout=60)
        return Output(process.returncode, out.decode(), err.decode())

    def shell(self, line: str) -> Output:
        """Run a line of shell, in which `eventstore` is the command."""
        script = f'set -o pipefail; eventstore() {{ "$@"; }}; {line}'
        script = script.replace('"$@"', " ".join(f"'{part}'" for part in COMMAND) + ' "$@"')
        done = subprocess.run(
            ["bash", "-c", script], env=environment(), capture_output=True, timeout=60, check=False
        )
        return Output(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def service(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped, apart from this process's signals."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=stdin,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def told_by(process: subprocess.Popen[str]) -> str:
    """The next line on a service's standard error."""
    assert process.stderr is not None
    return process.stderr.readline()


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, list[str]]:
    """Stop a service: its exit code, and what it said meanwhile."""
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    return process.returncode, told.splitlines()


def environment() -> dict[str, str]:
    """The environment of a process that finds the package, installed or not."""
    package = Path(eventstore.__file__).resolve().parent.parent
    paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def jsonl(values: Iterable[Any]) -> bytes:
    """Lines of JSON."""
    return "".join(f"{json.dumps(value)}\n" for value in values).encode()
