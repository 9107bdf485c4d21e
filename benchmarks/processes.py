"""Servers and clients in processes of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def listening(*arguments: str) -> Iterator[str]:
    """A server that says its address on standard error; where it listens."""
    process = subprocess.Popen([sys.executable, *arguments], stderr=subprocess.PIPE, text=True)
    if process.stderr is None:
        raise RuntimeError("no standard error")
    try:
        said = []
        while line := process.stderr.readline():
            said.append(line)
            found = re.search(r"(?:ws|http)s?://127\S+?(?=;|\s|$)", line)
            if found is not None:
                break
        else:
            raise RuntimeError(f"the server did not start: {''.join(said)}")
        # Whoever says more must not wait for us to read it.
        rest = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
        yield found[0]
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()
    rest.wait(10)


def answer(*arguments: str) -> Any:
    """Run a program to its end; the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)
