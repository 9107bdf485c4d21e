"""Acceptance: `realtime_cassette` in projects of other people, run by pytest itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest
import trustme
from replay.shown import sample_frames
from support.calls import beta_tool_call
from support.events import Call
from support.replaying import Served, one, served

from eventstore import pytest_plugin
from eventstore.replay.cassette import cassette as cassettes
from eventstore.replay.cassette.cassette_file import read_cassette
from eventstore.replay.serving import matching
from eventstore.replay.serving.connection import Manner

pytest_plugins = ("pytester",)

# Imported here once: pytester forgets what the runs within it import.
_CLIENT = openai.OpenAI(api_key="sk-none").beta.realtime.connect
_LIVE_CLIENT = openai.OpenAI(api_key="sk-none").live.connect

CALL = beta_tool_call().frames
Run = Callable[..., pytest.RunResult]

AGENT = '''
import os
import pytest
from openai import AsyncOpenAI, OpenAI

def client(cassette, kind=OpenAI):
    return kind(api_key=cassette.api_key, websocket_base_url=cassette.url)

def ask(cassette, text="Weather in Oslo?"):
    """The recorded client, up to the first answer."""
    with client(cassette).beta.realtime.connect(model="gpt-4o-realtime-preview") as connection:
        assert connection.recv().type == "session.created"
        item = {"id": "item_1", "object": "realtime.item", "type": "message", "role": "user",
                "status": "completed", "content": [{"type": "input_text", "text": text}]}
        connection.conversation.item.create(item=item)
        connection.response.create(event_id="event_1", response={"metadata": {"topic": "tools"}})
        while (event := connection.recv()).type != "response.done":
            assert event.type != "error", event
        return event.response.id
'''
ONE_TEST = """
    from agent import *
    def test_ask(realtime_cassette):
        assert ask(realtime_cassette) == "resp_1"
"""


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("EVENTSTORE_CASSETTE_UPSTREAM", raising=False)


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with an agent to test."""
    pytester.makepyfile(agent=AGENT)
    return pytester


@pytest.fixture
def run(project: pytest.Pytester, request: pytest.FixtureRequest) -> Run:
    """Run pytest on it; the plugin is named where it is not installed."""
    installed = request.config.pluginmanager.has_plugin("realtime_cassette")
    plugin = () if installed else ("-p", "eventstore.pytest_plugin")

    def work(*arguments: object) -> pytest.RunResult:
        return project.runpytest_inprocess(*plugin, *map(str, arguments))

    return work


@pytest.fixture
def upstream() -> Iterator[Served]:
    """A server to record from: it plays the call as long as a client takes."""
    with served(one(CALL)) as server:
        yield server


def of_upstream(server: Served) -> str:
    return f"--realtime-upstream={server.url}"


def cassette_of(project: pytest.Pytester, name: str) -> Path:
    return project.path / "cassettes" / name


def test_an_agent_of_gpt_live_is_recorded_and_replayed(project: pytest.Pytester, run: Run) -> None:
    project.makepyfile(
        test_live="""
        from openai import OpenAI

        def test_start(realtime_cassette):
            used = realtime_cassette
            client = OpenAI(api_key=used.api_key, websocket_base_url=used.url)
            with client.live.connect() as connection:
                connection.session.start(session={"model": "gpt-live-1"}, event_id="mine")
                started = connection.recv()
                assert (started.type, started.client_event_id) == ("session.started", "mine")
                connection.session.close()
                assert connection.recv().type == "session.closed"
        """
    )
    session = {"id": "live_1", "model": "gpt-live-1", "status": "active"}
    call = Call().client("session.start", session={"model": "gpt-live-1"})
    call.server("session.started", event_id="e_1", session=session)
    call.client("session.close")
    call.server("session.closed", event_id="e_2", reason="close_requested", session=session)
    with served(one(call.frames)) as upstream:
        run(of_upstream(upstream)).assert_outcomes(passed=1)
    assert len(read_cassette(cassette_of(project, "test_live/test_start.jsonl"))) == 1
    run("--realtime-cassette-mode=none").assert_outcomes(passed=1)
    other = project.path / "test_live.py"
    other.write_text(other.read_text().replace("gpt-live-1", "gpt-live-2"))
    result = run("--realtime-cassette-mode=none")
    assert "session.model" in result.stdout.str()


def test_the_first_run_records_and_the_next_replays(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=ONE_TEST)
    run(of_upstream(upstream)).assert_outcomes(passed=1)
    path = cassette_of(project, "test_agent/test_ask.jsonl")
    assert len(read_cassette(path)) == 1
    before = path.read_bytes()
    run().assert_outcomes(passed=1)
    run("--realtime-cassette-mode=none").assert_outcomes(passed=1)
    assert path.read_bytes() == before
    assert len(upstream.outcomes) == 1


def test_asynchronous_tests_are_recorded_and_replayed(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(
        test_agent="""
        import anyio
        from agent import *

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_hello(realtime_cassette):
            made = client(realtime_cassette, AsyncOpenAI)
            async with made.beta.realtime.connect(model="m") as connection:
                assert (await connection.recv()).session.id == "sess_2"
        """
    )
    run(of_upstream(upstream)).assert_outcomes(passed=1)
    run("--realtime-cassette-mode=none").assert_outcomes(passed=1)


def test_drift_fails_the_test_with_what_differs_and_what_to_do(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=ONE_TEST)
    run(of_upstream(upstream))
    project.makepyfile(test_agent=ONE_TEST.replace("cassette) ==", 'cassette, "In Rome?") =='))
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*- Captured realtime cassette call -*",
            "connection 1 sent a frame that is not the recorded one:"
            " cassettes/test_agent/test_ask.jsonl:2",
            "  line 2: conversation.item.create",
            "    item.content[[]0].text",
            '      expected: "Weather in Oslo?"',
            '      came:     "In Rome?"',
            "If the change is meant, record it anew with"
            ' pytest --realtime-cassette-mode=all "test_agent.py::test_ask"',
        ]
    )
    run("--realtime-cassette-mode=all", of_upstream(upstream)).assert_outcomes(passed=1)
    assert "In Rome?" in cassette_of(project, "test_agent/test_ask.jsonl").read_text()
    run().assert_outcomes(passed=1)


def test_a_test_that_sends_less_than_recorded_fails(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=ONE_TEST)
    run(of_upstream(upstream))
    project.makepyfile(
        test_agent="""
        from agent import *
        def test_ask(realtime_cassette):
            with client(realtime_cassette).beta.realtime.connect(model="m") as connection:
                connection.recv()
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  line 2: conversation.item.create never came"])
    run("--realtime-cassette-match=type").assert_outcomes(passed=1)
    project.makepyfile(test_agent="def test_ask(realtime_cassette): pass")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["connection 1 was never made: *test_ask.jsonl:1"])


def test_a_connection_of_another_fixture_is_looked_at_when_it_ends(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=ONE_TEST)
    run(of_upstream(upstream))
    project.makepyfile(
        test_agent="""
        from agent import *
        @pytest.fixture
        def connection(realtime_cassette):
            with client(realtime_cassette).beta.realtime.connect(model="m") as connection:
                yield connection
        def test_ask(connection):
            connection.recv()
        """
    )
    result = run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["  line 2: conversation.item.create never came"])


@pytest.mark.parametrize("ci", [True, False])
def test_without_cassette_and_key_a_line_says_so(
    project: pytest.Pytester, run: Run, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    monkeypatch.setenv("CI", "1") if ci else monkeypatch.delenv("CI", raising=False)
    project.makepyfile(test_agent=ONE_TEST)
    result = run()
    result.assert_outcomes(errors=1)
    [said] = [line for line in result.outlines if line.startswith("set OPENAI_API_KEY")]
    path = "cassettes/test_agent/test_ask.jsonl"
    assert said == f"set OPENAI_API_KEY to record the cassette {path}: there is none yet"
    assert not any("Traceback" in line for line in result.outlines)
    result = run("--realtime-cassette-mode=none")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["there is no cassette *; record it with pytest *=all *"])


def test_a_failed_test_writes_no_cassette_and_says_where_its_frames_are(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=f"{ONE_TEST}        assert 0")
    result = run(of_upstream(upstream))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no cassette was written; what crossed the wire is in *.partial"])
    [partial] = cassette_of(project, "test_agent").iterdir()
    assert len(read_cassette(partial)) == 1


def test_a_skipped_test_records_nothing(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=f"{ONE_TEST}        pytest.skip()")
    run(of_upstream(upstream)).assert_outcomes(skipped=1)
    assert list(cassette_of(project, "test_agent").glob("*.jsonl")) == []


@pytest.mark.parametrize("end", ["self.fail()", "self.skipTest('')"])
def test_a_unittest_that_does_not_pass_writes_no_cassette(
    project: pytest.Pytester, run: Run, upstream: Served, end: str
) -> None:
    project.makepyfile(
        test_agent=f"""
        import unittest

        import pytest
        from agent import ask

        class TestAgent(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _cassette(self, realtime_cassette):
                self.cassette = realtime_cassette

            def test_ask(self):
                ask(self.cassette)
                {end}
        """
    )
    result = run(of_upstream(upstream))
    assert "passed" not in result.parseoutcomes()
    assert list(cassette_of(project, "test_agent").glob("*.jsonl")) == []


def test_the_marker_names_the_cassette_and_the_command_line_goes_first(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(
        test_agent=f"""
        from agent import *
        MARK = pytest.mark.realtime_cassette
        @MARK("shared.jsonl", mode="none", match="type", upstream="{upstream.url}")
        def test_ask(realtime_cassette):
            assert realtime_cassette.path.name == "shared.jsonl"
            ask(realtime_cassette, os.environ.get("ASKED", "Weather in Oslo?"))
            assert not realtime_cassette.drift, realtime_cassette.mode
        """
    )
    run("--strict-markers").assert_outcomes(errors=1)
    run("--realtime-cassette-mode=once").assert_outcomes(passed=1)
    assert cassette_of(project, "shared.jsonl").exists()
    run().assert_outcomes(passed=1)


TLS_TEST = """
    import pytest
    from agent import *
    @pytest.mark.realtime_cassette(tls=True)
    def test_ask(realtime_cassette, monkeypatch):
        assert realtime_cassette.url.startswith("wss://")
        monkeypatch.setenv("SSL_CERT_FILE", realtime_cassette.ca_file)
        ask(realtime_cassette)
"""


def test_a_test_that_is_marked_so_has_tls(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(test_agent=TLS_TEST)
    run(of_upstream(upstream)).assert_outcomes(passed=1)
    run("--realtime-cassette-mode=none").assert_outcomes(passed=1)


def test_the_command_line_names_a_certificate_for_tests_with_tls(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    leaf = trustme.CA().issue_cert("127.0.0.1")
    for blob, name in ((leaf.cert_chain_pems[0], "cert.pem"), (leaf.private_key_pem, "key.pem")):
        blob.write_to_path(project.path / name)
    project.makepyfile(
        test_agent="""
        import pytest
        @pytest.fixture(autouse=True)
        def elsewhere(monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)
        @pytest.mark.realtime_cassette(tls=True)
        def test_ask(realtime_cassette):
            assert realtime_cassette.ca_file.endswith("cert.pem")
        def test_plain(realtime_cassette):
            assert realtime_cassette.url.startswith("ws://")
        """
    )
    files = ("--realtime-cassette-cert=cert.pem", "--realtime-cassette-key=key.pem")
    run(of_upstream(upstream), *files).assert_outcomes(passed=2)
    result = run(of_upstream(upstream), *files[1:])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["key *key.pem: name its certificate as well"])


@pytest.mark.parametrize(
    "wrong", ["paht='a'", "mode='any'", "match='any'", "pace='any'", "upstream='any'"]
)
def test_a_wrong_marker_is_told(project: pytest.Pytester, run: Run, wrong: str) -> None:
    project.makepyfile(
        f"""
        import pytest
        @pytest.mark.realtime_cassette({wrong})
        def test_ask(realtime_cassette): pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    said = (
        "*realtime_cassette(path, mode=, match=, pace=, upstream=, tls=)*"
        if "paht" in wrong
        else "*'any'*"
    )
    result.stdout.fnmatch_lines([said])


def test_the_ini_file_and_the_environment_name_the_upstream(
    project: pytest.Pytester, run: Run, upstream: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(test_agent=ONE_TEST)
    monkeypatch.setenv("EVENTSTORE_CASSETTE_UPSTREAM", upstream.url)
    run("--realtime-cassette-mode=all").assert_outcomes(passed=1)
    monkeypatch.setenv("EVENTSTORE_CASSETTE_UPSTREAM", "ws://127.0.0.1:9/v1")
    project.makeini(f"[pytest]\nrealtime_upstream = {upstream.url}")
    run("--realtime-cassette-mode=all").assert_outcomes(passed=1)


def test_each_test_has_a_file_of_its_own(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(
        test_agent="""
        from agent import *
        @pytest.mark.parametrize("voice", ["marin", "a/b", "a_b", "é", "Marin", "x" * 300, ".."])
        def test_voice(realtime_cassette, voice):
            ask(realtime_cassette)
        class TestAgent:
            def test_voice(self, realtime_cassette):
                ask(realtime_cassette)
        """
    )
    run(of_upstream(upstream)).assert_outcomes(passed=8)
    files = sorted(path.name for path in cassette_of(project, "test_agent").iterdir())
    assert len({name.lower() for name in files}) == 8
    assert {"test_voice-marin.jsonl", "TestAgent.test_voice.jsonl", "test_voice-a_b.jsonl"} < {
        *files
    }
    assert all(name.isascii() and len(name) < 200 for name in files)
    run("--realtime-cassette-mode=none").assert_outcomes(passed=8)


def test_a_cassette_that_tests_share_is_whole_however_they_run(
    project: pytest.Pytester, run: Run, upstream: Served
) -> None:
    project.makepyfile(
        test_agent="""
        from agent import *
        @pytest.mark.realtime_cassette("shared.jsonl")
        @pytest.mark.parametrize("number", range(4))
        def test_ask(realtime_cassette, number):
            ask(realtime_cassette)
        """
    )
    run("-n", 2, "--realtime-cassette-mode=all", of_upstream(upstream)).assert_outcomes(passed=4)
    [connection] = read_cassette(cassette_of(project, "shared.jsonl"))
    assert json.loads(str(connection[-1].frame.text))["type"] == "eventstore.session.closed"
    run("--realtime-cassette-mode=none").assert_outcomes(passed=4)


def test_no_thread_is_left(project: pytest.Pytester, run: Run, upstream: Served) -> None:
    project.makepyfile(
        test_agent=f"""{ONE_TEST}
    def test_fails(realtime_cassette):
        connection = client(realtime_cassette).beta.realtime.connect(model="m").enter()
        assert 0
    def test_threads():
        import threading
        assert [t for t in threading.enumerate() if t.name.startswith("eventstore")] == []
        """
    )
    run(of_upstream(upstream)).assert_outcomes(passed=2, failed=1)
    run("--realtime-cassette-mode=new_episodes", of_upstream(upstream)).assert_outcomes(
        passed=2, failed=1
    )


def test_the_test_of_the_documentation_is_recorded_and_replayed(
    project: pytest.Pytester, run: Run
) -> None:
    page = Path(__file__).parents[3] / "docs" / "testing-voice-agents.md"
    _, _, rest = page.read_text(encoding="utf-8").partition("```python\n")
    project.makepyfile(test_agent=rest.partition("```")[0])
    # Up to the answer that the test waits for: a client that closes amid more of them takes long.
    frames = sample_frames()
    answered = next(n for n, frame in enumerate(frames) if '"response.done"' in str(frame.text))
    with served(one(frames[: answered + 1]), Manner(speed=None, rule="none")) as server:
        run(of_upstream(server)).assert_outcomes(passed=1)
    run("--realtime-cassette-mode=none").assert_outcomes(passed=1)


def test_the_plugin_names_the_modes_and_rules_that_there_are() -> None:
    assert pytest_plugin.MODES == cassettes.MODES
    assert pytest_plugin.MATCH_RULES == matching.MATCH_RULES


def test_the_plugin_imports_nothing_heavy() -> None:
    program = (
        "import sys, eventstore.pytest_plugin;"
        "print([name for name in ('sqlalchemy', 'websockets', 'orjson', 'pydantic', 'asyncio')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
