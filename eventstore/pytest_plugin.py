"""The pytest plugin: its fixture `realtime_cassette` records and replays a test's connections.

pytest imports this module at its start, in every project that has the package installed. So heavy
modules are imported only when a test uses the fixture.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from eventstore.common.tls import Certificate
    from eventstore.replay.cassette.cassette import Cassette

_MODE, _MATCH, _PACE, _UPSTREAM = (
    "--realtime-cassette-mode",
    "--realtime-cassette-match",
    "--realtime-cassette-pace",
    "--realtime-upstream",
)
_CERT, _KEY = "--realtime-cassette-cert", "--realtime-cassette-key"
_MARKER = (
    "realtime_cassette(path, mode=, match=, pace=, upstream=, tls=): where the cassette of a test"
    " is, in the folder `cassettes` beside the test's file, and how it is used"
)
# Copies of the cassette's own values, so that pytest's start does not import the cassette. A test
# compares both.
MODES = ("none", "once", "new_episodes", "all")
MATCH_RULES = ("exact", "strict", "type", "none")

_USED: pytest.StashKey[Cassette] = pytest.StashKey()
_PASSED: pytest.StashKey[bool] = pytest.StashKey()
_MAX_NAME = 120


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the command line options of cassettes to pytest."""
    group = parser.getgroup("realtime-cassette", "cassettes of OpenAI Realtime connections")
    group.addoption(
        _MODE,
        choices=MODES,
        help="none: replay alone; once (the default): record where there is no cassette, else"
        " replay alone; new_episodes: record connections beyond the cassette's; all: record anew",
    )
    group.addoption(
        _MATCH,
        choices=MATCH_RULES,
        help="how frames are matched with the recorded ones: strict (the default) by their order"
        " and content, exact with what clients make anew each time as well, type by their types,"
        " none not at all",
    )
    group.addoption(
        _PACE,
        metavar="PACE",
        help="how fast frames come: instant (the default), recorded, or a number of times as fast",
    )
    group.addoption(
        _UPSTREAM,
        metavar="URL",
        help="where recordings are made (wss://api.openai.com/v1; also EVENTSTORE_CASSETTE_UPSTREAM"
        " and realtime_upstream in the ini file)",
    )
    group.addoption(
        _CERT,
        metavar="FILE",
        help="a certificate (PEM) for 127.0.0.1, for tests that are marked tls=True, instead of"
        " one that is made for each",
    )
    group.addoption(_KEY, metavar="FILE", help="its key, unless that is in the same file")
    parser.addini("realtime_upstream", "where cassettes of Realtime connections are recorded")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker `realtime_cassette`."""
    config.addinivalue_line("markers", _MARKER)


class _Marked(NamedTuple):
    """The arguments of the marker; see `cassette` for their meaning."""

    path: str | Path | None = None
    mode: str | None = None
    match: str | None = None
    pace: str | float | None = None
    upstream: str | None = None
    tls: bool = False


@pytest.fixture
def realtime_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Yield a cassette for this test. Give its `url` and `api_key` to the client.

    Example: `OpenAI(api_key=realtime_cassette.api_key, websocket_base_url=realtime_cassette.url)`.
    This client talks to the real server when the cassette is recorded, and to the recording
    afterwards.
    """
    from eventstore.errors import EventStoreError
    from eventstore.replay.cassette.cassette import Cassette

    item, used, unusable = request.node, None, ""
    try:
        used = Cassette(**_arguments(item), anew=f'pytest {_MODE}=all "{item.nodeid}"')
        used.start()
    except EventStoreError as error:
        unusable = str(error)
    if unusable or used is None:
        # Outside the except block, so that pytest does not show the caught exception as well.
        pytest.fail(unusable, pytrace=False)
    item.stash[_USED] = used
    try:
        yield used
    finally:
        passed = item.stash.get(_PASSED, False)
        problems = used.finish(keep=passed)
    if passed and problems:
        pytest.fail(_text(used, problems), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that drifted from its recording. Add the drift to the report of a failed test."""
    try:
        result = yield
    except BaseException:
        used = item.stash.get(_USED, None)
        if used is not None:
            text = _text(used, used.problems(failed=True))
            if text:
                item.add_report_section("call", "realtime cassette", text)
        raise
    used = item.stash.get(_USED, None)
    problems = used.problems(failed=False) if used is not None else []
    if used is not None and problems:
        pytest.fail(_text(used, problems), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember whether a test passed: tests of unittest fail and skip without an exception here."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def _text(used: Cassette, problems: list[str]) -> str:
    return "\n".join(filter(None, (*problems, used.left())))


def _arguments(item: pytest.Item) -> dict[str, Any]:
    """Return the arguments of a test's cassette: from the command line, otherwise the marker.

    An argument that neither of them gives is left out, so that the cassette's default applies.
    """
    marker = item.get_closest_marker("realtime_cassette")
    args, kwargs = (marker.args, marker.kwargs) if marker is not None else ((), {})
    if len(args) > 1 or not kwargs.keys() <= {*_Marked._fields[len(args) :]}:
        pytest.fail(f"{item.nodeid}: the marker is {_MARKER.partition(':')[0]}", pytrace=False)
    marked = _Marked(*args, **kwargs)
    config = item.config
    chosen = {
        "mode": config.getoption(_MODE) or marked.mode,
        "match": config.getoption(_MATCH) or marked.match,
        "pace": config.getoption(_PACE) or marked.pace,
        "upstream": config.getoption(_UPSTREAM)
        or marked.upstream
        or config.getini("realtime_upstream"),
        "tls": marked.tls and _certificate(config),
    }
    return {
        "path": item.path.parent / "cassettes" / (marked.path or _default_name(item)),
        **{name: value for name, value in chosen.items() if value},
    }


def _certificate(config: pytest.Config) -> Certificate | bool:
    """Return the certificate for tests with TLS, or True if one is to be made."""
    from eventstore.common.tls import Certificate

    files = [config.getoption(name) for name in (_CERT, _KEY)]
    if not any(files):
        return True
    return Certificate(*(config.invocation_params.dir / file if file else None for file in files))


def _default_name(item: pytest.Item) -> Path:
    """Return `module/Class.test-parameters.jsonl`, with characters that every file system takes."""
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    name, _, parameters = item.name.partition("[")
    parameters = parameters.removesuffix("]")
    plain = ".".join((*classes, name)) + (f"-{parameters}" if parameters else "")
    clean = re.sub(r"[^\w.-]", "_", plain, flags=re.ASCII)[:_MAX_NAME]
    # Some file systems do not distinguish "A" and "a". So a hash is added if parameters have
    # capital letters, or if characters were replaced.
    if clean != plain or parameters != parameters.lower():
        clean += "-" + hashlib.sha256(plain.encode()).hexdigest()[:8]
    return Path(item.path.stem, f"{clean}.jsonl")
