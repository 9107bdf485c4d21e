"""Integration: an error is one line that says what to do, and its exit code whose it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from support.calls import beta_tool_call, voice_call
from support.terminal import Output, Terminal, jsonl

from eventstore import EventStore
from eventstore.cli.main import cli

CALL = [
    {"type": "session.created", "session": {"id": "sess_1"}},
    {"type": "response.created", "response": {"id": "resp_1"}},
]
#: Each command with arguments that it would take.
COMMANDS = {
    "init": "",
    "import": "call.jsonl",
    "record": "--upstream ws://127.0.0.1:1 --listen 0",
    "export": "sess_a",
    "calls": "--listen 0",
    "join": "rtc_1 --upstream ws://127.0.0.1:9/v1",
    "audio": "sess_a -o call.wav",
    "state": "sess_a",
    "events": "sess_a",
    "replay": "sess_a --instant",
    "feed": "",
    "webhooks": "--dead-letters",
    "traces": "--to http://127.0.0.1:9 --once",
    "reseed": "sess_a",
    "sessions": "",
    "responses": "",
    "response": "resp_1",
    "usage": "",
    "latency": "",
    "context": "",
    "metadata": "",
    "sql": "VALUES(1)",
    "score": "sess_a helpful 0.5",
    "scores": "",
    "seal": "--all",
    "unseal": "sess_a",
    "repair": "sess_a",
    "backup": "backup.db",
    "copy": "--all --to sqlite:///other.db",
    "offload": "--all --to segments",
    "distribute": "--dry-run",
    "verify": "--all",
    "rebuild": "--all",
    "project": "",
    "status": "",
    "projections": "",
    "erase": "sess_a --yes",
    "retain": f"--policy {Path(__file__).with_name('policy.toml')}",
    "serve": "--listen 0",
    "mcp": "--listen 0",
    "spool": "",
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `calls` wants before it looks at the database."""
    monkeypatch.setenv("EVENTSTORE_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0" * 4)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")


@pytest.fixture
def recorded(store: EventStore, own_folder: Path) -> EventStore:
    """A store with two calls whose responses have the same ids, and a file to import."""
    store.append("sess_a", voice_call().frames)
    store.append("sess_b", beta_tool_call().frames)
    Path("call.jsonl").write_bytes(jsonl(CALL))
    return store


def test_each_command_is_tried_here() -> None:
    assert set(COMMANDS) == set(cli.commands)


# Databases

BAD_URLS = [
    ("calls.db", "not a database URL; use sqlite:///calls.db or postgresql://"),
    ("", "not a database URL"),
    ("postgresql://localhost:port/calls", "not a database URL"),
    ("postgresql://a..b/calls", "not a database URL"),
    ("mysql://localhost/calls", "no support for 'mysql' databases; use sqlite:///… or postgresql"),
    ("mongodb://localhost", "no support for 'mongodb' databases"),
    ("sqlite:///missing/calls.db", "no folder missing"),
    ("postgresql://localhost/calls?prepare_threshold=often", "prepare_threshold in the"),
    ("postgresql://nobody@127.0.0.1:1/calls", "check that the server runs and the URL is right"),
    ("postgresql://nobody@/calls?host=/nowhere", "check that the server runs and the URL is right"),
]


@pytest.mark.parametrize(("url", "said"), BAD_URLS)
def test_a_bad_or_unreachable_database_is_told(
    bare_terminal: Terminal, url: str, said: str
) -> None:
    code = 2 if said.startswith(("not a database URL", "no support", "no folder", "prepare")) else 1
    assert said in bare_terminal("status", "--db", url).error(code)
    assert said in bare_terminal("sessions", "--db", url, "--json").error(code)


# Recorders of live calls begin all the same: see test_record.py. A backup is made by pg_dump.
@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"record", "calls", "backup"}))
def test_every_command_tells_that_the_database_is_away(
    bare_terminal: Terminal, own_folder: Path, name: str
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    away = ("--db", "postgresql://nobody@127.0.0.1:1/calls")
    said = bare_terminal(name, *COMMANDS[name].split(), *away).error()
    assert "Connection refused" in said and "check that the server runs" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a database at all, but text " * 100, "the file is no SQLite database"),
        (None, "check the path"),
    ],
)
@pytest.mark.parametrize("name", ["init", "status", "import"])
def test_what_is_no_database_is_told(
    bare_terminal: Terminal, own_folder: Path, name: str, content: bytes | None, said: str
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    path = own_folder / "thing.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    arguments = COMMANDS[name].split()
    assert said in bare_terminal(name, *arguments, "--db", f"sqlite:///{path}").error()
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("name", ["sessions", "status", "import", "rebuild"])
def test_another_programs_database_is_told(
    bare_terminal: Terminal, own_folder: Path, name: str
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    with sqlite3.connect("other.db") as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
        other.execute("INSERT INTO alembic_version VALUES ('ae1027a6acf0')")
    other.close()
    said = bare_terminal(name, *COMMANDS[name].split(), "--db", "sqlite:///other.db").error()
    assert "schema" in said


#: A backup is made of any schema: before an upgrade, and of a store that is newer.
WITH_SCHEMA = [name for name in COMMANDS if name != "backup"]


@pytest.mark.parametrize("name", [name for name in WITH_SCHEMA if name != "init"])
def test_postgresql_without_a_schema_says_what_to_run(
    bare_terminal: Terminal, empty_postgres_url: str, own_folder: Path, name: str
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    said = bare_terminal(name, *COMMANDS[name].split(), "--db", empty_postgres_url).error()
    assert said.endswith("has no eventstore schema; run: eventstore init")


def test_sqlite_makes_its_schema_on_first_use(bare_terminal: Terminal, own_folder: Path) -> None:
    assert bare_terminal("sessions", "--json").json["data"] == []
    assert (own_folder / "eventstore.db").is_file()


@contextmanager
def _at_schema(engine: Engine, version: str) -> Iterator[None]:
    def move(to: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": to})

    with engine.connect() as connection:
        before = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    move(version)
    try:
        yield
    finally:
        move(before)


@pytest.mark.parametrize("name", WITH_SCHEMA)
def test_a_newer_schema_is_told(terminal: Terminal, recorded: EventStore, name: str) -> None:
    with _at_schema(recorded.engine, "9999"):
        said = terminal(name, *COMMANDS[name].split()).error()
    assert "at schema 9999, newer than this code knows" in said
    assert "upgrade the package" in said
    assert terminal("sessions", "--json").json["data"]


@pytest.mark.parametrize(("name", "arguments"), [("import", "call.jsonl"), ("rebuild", "--all")])
def test_a_read_only_database_is_told(
    bare_terminal: Terminal, own_folder: Path, name: str, arguments: str
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    bare_terminal("import", "call.jsonl", "--session-id", "before")
    with sqlite3.connect("eventstore.db") as connection:
        connection.execute("UPDATE sessions SET errors = 7")  # for a rebuild to put right
    read_only = f"sqlite:///file:{own_folder}/eventstore.db?mode=ro&uri=true"
    said = bare_terminal(name, *arguments.split(), "--db", read_only).error()
    assert "readonly" in said and "cannot be written" in said
    assert [s["id"] for s in bare_terminal("sessions", "--json").json["data"]] == ["before"]


def test_a_read_only_database_can_be_read(bare_terminal: Terminal, own_folder: Path) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    bare_terminal("import", "call.jsonl")
    read_only = f"sqlite:///file:{own_folder}/eventstore.db?mode=ro&uri=true"
    assert bare_terminal("sessions", "--json", "--db", read_only).json["first_id"] == "sess_1"


def test_a_locked_database_is_told(
    bare_terminal: Terminal, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.store.database.engine.SQLITE_BUSY_MS", 50)
    Path("call.jsonl").write_bytes(jsonl(CALL))
    bare_terminal("init")
    holder = sqlite3.connect("eventstore.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    said = bare_terminal("import", "call.jsonl").error()
    holder.close()
    assert "locked" in said and "try again" in said
    assert bare_terminal("import", "call.jsonl").code == 0


# Things that are not there, or there twice


@pytest.mark.parametrize("name", ["state", "events", "replay", "reseed", "export", "rebuild"])
def test_a_missing_session_is_told(terminal: Terminal, name: str) -> None:
    said = terminal(name, "nowhere").error()
    assert said == "no session nowhere; list them with: eventstore sessions"


def test_export_of_a_missing_session_writes_nothing(
    terminal: Terminal, recorded: EventStore, own_folder: Path
) -> None:
    terminal("export", "sess_a", "nowhere").error()
    terminal("export", "sess_a", "nowhere", "-o", "out.jsonl").error()
    assert not list(own_folder.glob("out.jsonl*"))


def test_a_missing_response_is_told(terminal: Terminal, recorded: EventStore) -> None:
    said = terminal("response", "nowhere", "--json").error()
    assert said == "no response nowhere; list them with: eventstore responses"
    said = terminal("response", "resp_1", "--session", "sess_c").error()
    assert "no response resp_1 in session sess_c" in said
    assert "no response nowhere" in terminal("responses", "--after", "nowhere").error()
    assert "no session nowhere" in terminal("sessions", "--after", "nowhere").error()


def test_an_ambiguous_response_is_told_with_its_sessions(
    terminal: Terminal, recorded: EventStore
) -> None:
    said = terminal("response", "resp_1", "--json").error()
    assert said == "response resp_1 is in several sessions (sess_a, sess_b); add --session"
    assert terminal("response", "resp_1", "--session", "sess_b").code == 0
    assert "add --session" in terminal("responses", "--after", "resp_1").error()


# Wrong usage, and filters

WRONG_USAGE = [
    ("unheard-of", "No such command"),
    ("state", "Missing argument 'SESSION'"),
    ("state sess_a sess_b", "unexpected extra argument"),
    ("state sess_a --dialect alpha", "'alpha' is not one of"),
    ("events sess_a --from 0", "--from"),
    ("events sess_a --to x", "--to"),
    ("replay sess_a --speed 0", "--speed"),
    ("replay sess_a --speed fast", "--speed"),
    ("reseed sess_a --dialect wire", "'wire' is not one of"),
    ("reseed sess_a --max-items 0", "--max-items"),
    ("reseed sess_a --assistant-as user", "'user' is not one of"),
    ("sessions --limit 0", "--limit"),
    ("sessions --limit 101", "--limit"),
    ("sessions --order up", "--order"),
    ("sessions --unheard-of", "No such option"),
    ("responses --status done", "'done' is not one of"),
    ("responses --modality video", "'video' is not one of"),
    ("responses --min-tokens -1", "--min-tokens"),
    ("response", "Missing argument 'ID'"),
    ("export", "Missing argument"),
    ("import", "Missing argument"),
    ("import a.jsonl b.jsonl --session-id mine", "--session-id goes with one file"),
    ("import a.jsonl --metadata customer", "use KEY=VALUE"),
    ("rebuild", "name the sessions, or give --all"),
    ("rebuild sess_a --all", "name the sessions, or give --all"),
    ("rebuild --all --workers 0", "--workers"),
    ("project --interval 0", "--interval"),
    ("export sess_a -o .", "is a directory"),
]


@pytest.mark.parametrize(("line", "said"), WRONG_USAGE)
def test_wrong_usage_is_told_with_exit_code_2(
    bare_terminal: Terminal, own_folder: Path, line: str, said: str
) -> None:
    error = bare_terminal(*line.split()).error(2)
    assert said in error
    assert "--help)" in error
    assert not list(own_folder.iterdir())


def test_the_command_alone_shows_its_help(bare_terminal: Terminal) -> None:
    told = bare_terminal()
    assert "Usage: eventstore [OPTIONS] COMMAND [ARGS]...\n" in told.out + told.err
    assert "\n  import " in told.out + told.err


BAD_FILTERS = [
    ("reseed sess_a --at noon", "use a seq (120) or +SECONDS (+12.5)"),
    ("sessions --since yesterday", "since: 'yesterday' is no time; use ISO 8601"),
    ("responses --until 2023-13-01", "until: '2023-13-01' is no time"),
    ("responses --metadata =42", "metadata filter '=42': use K=V, K!=V, K^=PREFIX or K"),
    ("responses --metadata !=42", "use K=V"),
    (f"responses --metadata {'k' * 65}", "1 to 64 characters"),
    (f"sessions --metadata k={'v' * 513}", "at most 512"),
    ("responses --text ?!", "search '?!' names no word"),
    ("usage --by week", "--by 'week': use session, model, day or metadata:KEY"),
    ("usage --since noon --by day", "'noon' is no time"),
    ("state sess_a --at noon", "--at 'noon': use a seq (120) or +SECONDS (+12.5)"),
    ("state sess_a --at -1", "use a seq (120) or +SECONDS"),
    ("state sess_a --at 0", "--at 0: events are counted from 1"),
    ("state sess_a --at 000", "--at 0: events are counted from 1"),
    ("state sess_a --at ٣", "use a seq (120) or +SECONDS"),
    (f"state sess_a --at {'9' * 5000}", "use a seq (120) or +SECONDS"),
    ("state sess_a --at 57.0", "use a seq (120) or +SECONDS"),
    ("state sess_a --at +", "use a seq (120) or +SECONDS"),
    ("state sess_a --at +-1", "--at '+-1': use a seq (120) or +SECONDS (+12.5)"),
    ("state sess_a --at +1_0", "use a seq (120) or +SECONDS"),
    ("state sess_a --at +.", "use a seq (120) or +SECONDS"),
    ("state sess_a --at ++1", "use a seq (120) or +SECONDS"),
    ("state sess_a --at +inf", "use a seq (120) or +SECONDS"),
    ("state sess_a --at +nan", "use a seq (120) or +SECONDS"),
]


@pytest.mark.parametrize(("line", "said"), BAD_FILTERS)
def test_a_bad_filter_is_told(
    terminal: Terminal, recorded: EventStore, line: str, said: str
) -> None:
    told = terminal(*line.split(), "--json")
    assert told.code == 2
    assert said in told.error(2)


def test_seconds_of_a_session_without_times_are_told(
    terminal: Terminal, recorded: EventStore
) -> None:
    terminal("import", "call.jsonl")
    assert "without times; use a seq" in terminal("state", "sess_1", "--at", "+1").error(2)


# Files


def _failed(told: Output) -> str:
    assert told.out == "0 of 1 files imported, 1 failed.\n"
    return told.error_beside_output()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.jsonl", "missing.jsonl: cannot read it: No such file or directory"),
        ("folder", "folder: it is a folder; name its files: folder/*.jsonl"),
        ("empty.jsonl", "no events in it"),
        ("broken.jsonl", "line 3: not JSON"),
        ("latin.jsonl", "line 1: not UTF-8"),
        ("zeros.bin", "line 1"),
    ],
)
def test_an_unreadable_file_is_told_and_nothing_imported(
    terminal: Terminal, store: EventStore, own_folder: Path, name: str, said: str
) -> None:
    (own_folder / "folder").mkdir()
    Path("empty.jsonl").write_bytes(b"")
    Path("broken.jsonl").write_bytes(jsonl(CALL) + b"{broken\n")
    Path("latin.jsonl").write_bytes(b'{"type":"caf\xe9"}\n')
    Path("zeros.bin").write_bytes(bytes(1000))
    assert said in _failed(terminal("import", name))
    assert store.status()["sessions"] == 0


def test_a_broken_line_of_standard_input_is_told(terminal: Terminal, store: EventStore) -> None:
    assert "-: line 1: not JSON" in _failed(terminal("import", "-", stdin=b"{broken"))
    assert "no events in it" in _failed(terminal("import", "-"))
    assert store.status()["sessions"] == 0


def test_another_session_under_the_same_id_is_told(
    terminal: Terminal, recorded: EventStore, own_folder: Path
) -> None:
    terminal("import", "call.jsonl")
    before = recorded.last_seq("sess_1")
    Path("call.jsonl").write_bytes(jsonl(CALL[:1]))
    said = _failed(terminal("import", "call.jsonl"))
    assert "another session is stored as sess_1" in said and "--session-id" in said
    assert recorded.last_seq("sess_1") == before


def test_an_export_that_cannot_be_written_is_told(
    terminal: Terminal, recorded: EventStore, own_folder: Path
) -> None:
    said = terminal("export", "sess_a", "-o", "missing/out.jsonl").error()
    assert "No such file or directory" in said and "missing/out.jsonl" in said


def test_an_export_that_fails_leaves_the_file_that_was_there(
    terminal: Terminal, recorded: EventStore, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("out.jsonl").write_text("before")

    def failing(self: EventStore, session_id: str) -> Iterator[bytes]:
        yield b"{}\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(EventStore, "export", failing)
    assert "No space left" in terminal("export", "sess_a", "-o", "out.jsonl").error()
    assert Path("out.jsonl").read_text() == "before"
    assert [path.name for path in own_folder.glob("out*")] == ["out.jsonl"]


# Metadata beyond its limits


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        pytest.param([f"k{n}=v" for n in range(17)], "17 pairs; at most 16", id="17 pairs"),
        pytest.param(["k" * 65 + "=v"], "65 characters; use 1 to 64", id="a key of 65"),
        pytest.param(["k=" + "v" * 513], "513 characters; at most 512", id="a value of 513"),
        pytest.param(["=v"], "0 characters; use 1 to 64", id="no key"),
    ],
)
def test_metadata_beyond_its_limits_is_told_and_nothing_imported(
    terminal: Terminal, recorded: EventStore, pairs: list[str], said: str
) -> None:
    options = [option for pair in pairs for option in ("--metadata", pair)]
    assert said in terminal("import", "call.jsonl", *options).error(2)
    assert recorded.status()["sessions"] == 2


def test_metadata_may_hold_equals_signs(terminal: Terminal, recorded: EventStore) -> None:
    terminal("import", "call.jsonl", "--metadata", "a=b=c", "--metadata", "empty=")
    assert recorded.metadata("sess_1") == {"a": "b=c", "empty": ""}


# Naming the database


def test_the_database_may_be_named_before_the_command_or_behind_it(
    bare_terminal: Terminal, own_folder: Path
) -> None:
    Path("call.jsonl").write_bytes(jsonl(CALL))
    one, two = "sqlite:///one.db", "sqlite:///two.db"
    assert bare_terminal("import", "call.jsonl", "--db", one).code == 0
    assert bare_terminal("--db", one, "status", "--json").json["sessions"] == 1
    assert bare_terminal("status", "--db", one, "--json").json["sessions"] == 1
    assert bare_terminal("--db", two, "status", "--db", one, "--json").json["sessions"] == 1
    assert bare_terminal("--db", one, "status", "--db", two, "--json").json["sessions"] == 0
    assert not (own_folder / "eventstore.db").exists()


def test_the_environment_names_the_database_where_nothing_else_does(
    bare_terminal: Terminal, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_URL", "sqlite:///environment.db")
    database = bare_terminal("status", "--json").json["database"]
    assert database == "sqlite:///environment.db"
    named = bare_terminal("status", "--db", "sqlite:///named.db", "--json").json["database"]
    assert named == "sqlite:///named.db"


def test_a_database_named_before_the_command_goes_before_the_environment(
    bare_terminal: Terminal, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_URL", "sqlite:///environment.db")
    named = bare_terminal("--db", "sqlite:///named.db", "status", "--json").json["database"]
    assert named == "sqlite:///named.db"


# Text that is none


@pytest.mark.parametrize(
    "line",
    [
        "state \udcff",
        "sessions --model \udcff",
        "sessions --metadata k=\udcff",
        "responses --text a\udcff",
        "response \udcff",
        "export \udcff",
        "rebuild \udcff",
        "usage --by metadata:\udcff",
        "events sess_a --type \udcff",
        "import call.jsonl --metadata k=\udcff",
        "import call.jsonl --session-id \udcff",
    ],
    ids=ascii,
)
def test_arguments_that_are_no_text_are_told(
    terminal: Terminal, recorded: EventStore, line: str
) -> None:
    told = terminal(*line.split())
    assert told.code in (0, 1, 2)
    assert told.code == 0 or told.error_beside_output(told.code)
    assert recorded.status()["behind"] == 0


def test_a_fault_that_nobody_foresaw_is_one_line_without_content(
    terminal: Terminal, recorded: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise KeyError("the card is 4111")

    monkeypatch.setattr(EventStore, "state", failing)
    said = terminal("state", "sess_a").error()
    assert "unforeseen KeyError at " in said and "4111" not in said
