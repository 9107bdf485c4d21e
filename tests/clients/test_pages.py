"""Acceptance: who follows a page of docs/clients, with its packages, gets what it says."""

from __future__ import annotations

import json
import re
import shutil
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from clients.pages import Reader, reading
from clients.scripted_server import scripted_server
from support.doc_examples import Step
from support.examples import IN_CI
from support.relaying import eventually

from eventstore import EventStore

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "clients").glob("*.md"))
NODE = ROOT / "tests" / "node" / "node_modules"
CLIENTS, LITELLM = ROOT / ".venv-clients" / "bin", ROOT / ".venv-litellm" / "bin"
#: Pages that the ordinary test environment has the packages of.
NODE_PAGES = {"openai-agents-js", "openai-node"}
ORDINARY = {
    *NODE_PAGES,
    "azure-openai",
    "litellm",
    "openai-agents",
    "pydantic-ai",
    "twilio",
    "websockets",
}
#: Pages that CI follows, too.
IN_CI_TOO = {"openai-node", "websockets"}
#: A voice on the telephone, in mu-law, and what it says.
QUESTION = bytes((0x1C, 0x1C, 0x9C, 0x9C)) * 1000
SAID = ("Where is my order 4417?",) * 20


class Traces(BaseHTTPRequestHandler):
    """Takes all that LangSmith's client sends."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def traces() -> Iterator[str]:
    """Where traces of LangSmith go."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Traces)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_who_follows_a_page_gets_what_it_says(page: Path, tmp_path: Path, traces: str) -> None:
    if IN_CI and page.stem not in IN_CI_TOO:
        pytest.skip("CI follows two of the pages; make clients follows all")
    programs = Path(sys.executable).parent if page.stem in ORDINARY else CLIENTS
    if not (programs / "eventstore").exists():
        pytest.skip(f"no {programs}/eventstore: make clients makes it")
    if page.stem == "litellm" and not LITELLM.exists():
        pytest.skip("no .venv-litellm: make clients makes it")
    if page.stem in NODE_PAGES:
        if not (shutil.which("node") and NODE.is_dir()):
            pytest.skip("no Node, or its packages are not installed")
        (tmp_path / "node_modules").symlink_to(NODE)
    (tmp_path / "question.ulaw").write_bytes(QUESTION)
    told = {"LANGSMITH_ENDPOINT": traces, "LANGSMITH_API_KEY": "none"}
    with (
        scripted_server(SAID) as server,
        reading(tmp_path, [programs, LITELLM], server.origin, **told) as reader,
    ):
        reader.follow(page)
        assert server.faults == []
        with EventStore(f"sqlite:///{tmp_path / 'eventstore.db'}") as store:
            eventually(lambda: store.sessions(metadata=["customer=42"]).data)


def pinned(page: Path) -> dict[str, str]:
    """The versions of packages that a page's code is run with, where these are fixed."""
    if page.stem in NODE_PAGES:
        found: dict[str, str] = json.loads((NODE.parent / "package.json").read_text())[
            "dependencies"
        ]
        return found
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    lines = [line for name in ("voice", "clients", "litellm") for line in groups[name]]
    text = "\n".join(line for line in lines if isinstance(line, str))
    return dict(re.findall(r"(?m)^([\w-]+)(?:\[\w+\])?==(\S+)$", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_the_versions_that_it_is_run_with(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = dict(re.findall(r"`([@\w/-]+)(?:\[\w+\])?` (\d+(?:\.\d+)+)", text))
    assert named
    pins = pinned(page)
    assert named == {name: pins.get(name, version) for name, version in named.items()}


# That these tests can fail


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with reading(tmp_path, [Path(sys.executable).parent], "ws://127.0.0.1:1") as made:
        yield made


@pytest.mark.parametrize(
    "step",
    [
        Step("echo one", ["two"]),
        Step("echo one; false", ["one"]),
        Step("echo sess_1 sess_2", ["sess_abc sess_abc"]),
    ],
)
def test_a_command_that_does_otherwise_fails(reader: Reader, step: Step) -> None:
    with pytest.raises(AssertionError, match=re.escape(step.command)):
        reader.run(step)


def test_a_server_that_ends_fails(reader: Reader) -> None:
    with pytest.raises(AssertionError, match="No such option"):
        reader.run(Step("eventstore record --no-such", ["Ctrl-C ends it."]))


def test_what_varies_is_known_from_then_on(reader: Reader) -> None:
    reader.run(Step("echo sess_1 at ws://127.0.0.1:1", ["sess_abc at wss://api.openai.com"]))
    reader.run(Step("echo sess_abc 8080", ["sess_1 8080"]))


def test_a_block_that_would_not_be_run_fails(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```py\nprint(1)\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"page\.md:1"):
        reader.follow(tmp_path / "page.md")
