"""Acceptance: `eventstore mcp --listen` as a process, and what is wrong use of the command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support import api_keys
from support.calls import voice_call
from support.mcp_clients import over_http
from support.terminal import Terminal, ended, environment, service, told_by

from eventstore import EventStore


def test_it_listens_with_keys_until_it_is_ended(
    store: EventStore, database_url: str, tmp_path: Path
) -> None:
    store.append("sess_a", voice_call().frames)
    file = tmp_path / "keys.toml"
    file.write_text(api_keys.FILE)
    options = ("--listen", "0", "--db", database_url, "--api-keys", str(file), "--log")
    with service("mcp", *options) as process:
        told = told_by(process)
        found = re.fullmatch(
            r"Serving MCP on (http://127.0.0.1:\d+/mcp) for holders of 4 API keys;"
            r" Ctrl-C ends it.\n",
            told,
        )
        assert found is not None, told
        with over_http(found[1], api_keys.READER) as client:
            assert client.data("find_sessions")["data"][0]["session_id"] == "sess_a"
        assert httpx.post(found[1], json={}).status_code == 401
        code, lines = ended(process, signal.SIGTERM)
        assert code == 0
        assert any('"route":"/mcp","status":200' in line.replace(" ", "") for line in lines), lines
        assert not any(api_keys.READER in line for line in lines)


def test_one_key_is_taken_from_the_environment(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_API_KEY", api_keys.ALL)
    with service("mcp", "--listen", "0", "--db", database_url) as process:
        address = told_by(process).split()[3]
        assert httpx.post(address, json={}).status_code == 401
        with over_http(address, api_keys.ALL) as client:
            assert "score" not in client.tools()
        assert ended(process, signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--log",), "--tls, --cert and --log go with --listen"),
        (("--metadata", "tenant"), "metadata 'tenant': use KEY=VALUE"),
        (("--listen", "x"), "use [HOST:]PORT"),
        (("--listen", "0.0.0.0:0"), "without API keys it listens on this machine alone"),
        (("--time-limit", "0"), "--time-limit"),
    ],
)
def test_wrong_use_is_said_in_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    assert said in Terminal()("mcp", "--db", f"sqlite:///{tmp_path}/x.db", *arguments).error(2)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    said = Terminal()("mcp", "--db", f"sqlite:///{tmp_path}/typo.db").error(2)
    assert said.startswith(f"there is no database {tmp_path}/typo.db; name another by")
    assert list(tmp_path.iterdir()) == []


def test_a_keys_own_scope_holds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EVENTSTORE_API_KEY", api_keys.ALL)
    for option in (("--raw",), ("--metadata", "tenant=anna")):
        said = Terminal()(
            "mcp", "--db", f"sqlite:///{tmp_path}/x.db", "--listen", "0", *option
        ).error(2)
        assert said.startswith("a key's own metadata and rights hold")


def test_other_commands_do_not_wait_for_the_package() -> None:
    code = "import sys, eventstore.cli.commands.serve.mcp; sys.exit('mcp_types' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    assert done.returncode == 0
