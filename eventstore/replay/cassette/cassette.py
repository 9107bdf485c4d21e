"""Record the Realtime connections of a test into a file, and replay them in later runs.

The first run goes through to the real server. Later runs need no network and no key. Called by
pytest_plugin.py, and by tests as `eventstore.cassette`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from eventstore.common.tls import Certificate, ListenerTls, tls_for_listener
from eventstore.errors import DriftError, InvalidInputError, NotFoundError
from eventstore.realtime.masking.mask import mask_frame
from eventstore.replay.cassette.cassette_file import CassetteLine, read_cassette, write_cassette
from eventstore.replay.cassette.cassette_server import CassetteServer
from eventstore.replay.cassette.drift_report import describe_drifts, failing_drifts
from eventstore.replay.cassette.loop_thread import LoopThread
from eventstore.replay.cassette.proxy import upstream_url
from eventstore.replay.serving.connection import Manner
from eventstore.replay.serving.matching import MATCH_RULES, ORDERED_RULES, Drift, MatchRule
from eventstore.replay.serving.pace import INSTANT, speed_of
from eventstore.replay.serving.recording import Recording, read_recording

Mode = Literal["none", "once", "new_episodes", "all"]
MODES: tuple[Mode, ...] = ("none", "once", "new_episodes", "all")

#: The server that is recorded, and the environment variable that names another one.
OPENAI = "wss://api.openai.com/v1"
UPSTREAM_VARIABLE = "EVENTSTORE_CASSETTE_UPSTREAM"
KEY_VARIABLE = "OPENAI_API_KEY"
_NO_PROXY, _LOOPBACK = ("NO_PROXY", "no_proxy"), "127.0.0.1"
#: The API key for clients when nothing is recorded: some clients refuse to start without a key.
NO_KEY = "no-key-is-needed"
#: The replay fails if a client that it waits for sends nothing for so many seconds.
CLIENT_TIMEOUT = 30.0


class Cassette:
    """A cassette in use, between `start` and `finish`.

    Attributes:
        path: The cassette's file.
        mode: `none`, `once`, `new_episodes` or `all`.
        recording: True if connections go through to the real server: all of them, or those after
            the cassette's own.
        api_key: The API key for the client: the environment's when it records, otherwise a text
            that is no key.

    Args:
        path, mode, match, upstream, pace, tls: As for `cassette`.
        anew: What a person does to record the cassette again; part of error messages.

    Raises:
        InvalidInputError: An argument or the file cannot be used, or there is no key to record.
        NotFoundError: There is no cassette to replay.
    """

    def __init__(
        self,
        path: str | Path,
        mode: Mode = "once",
        match: MatchRule = "strict",
        upstream: str | None = None,
        pace: str | float = INSTANT,
        anew: str = 'mode="all"',
        tls: bool | Certificate = False,
    ) -> None:
        if mode not in MODES:
            raise InvalidInputError(f"mode {mode!r}: use {', '.join(MODES)}")
        if match not in MATCH_RULES:
            raise InvalidInputError(f"match {match!r}: use {', '.join(MATCH_RULES)}")
        self.path, self.mode, self._rule, self._anew = Path(path).absolute(), mode, match, anew
        self._speed = speed_of(pace)
        self._name = _shown(self.path)
        upstream = upstream or os.environ.get(UPSTREAM_VARIABLE) or OPENAI
        upstream_url(upstream, "")
        exists = self.path.is_file()
        if mode == "none" and not exists:
            raise NotFoundError(f"there is no cassette {self._name}; record it with {anew}")
        self._connections = read_cassette(self.path) if exists and mode != "all" else []
        records = mode in ("all", "new_episodes") or not exists
        key = os.environ.get(KEY_VARIABLE)
        if records and not key and upstream == OPENAI:
            if not self._connections:
                raise InvalidInputError(
                    f"set {KEY_VARIABLE} to record the cassette {self._name}: {self._why(exists)}"
                )
            records = False
        self.recording = records
        self.api_key = key if records and key else NO_KEY
        self._certificate = _certificate(tls)
        self._listen, self._securing = ListenerTls(), ExitStack()
        self._server = self._make_server(upstream)
        self._thread = LoopThread(self._server.serving)
        self._reported: set[str] = set()
        self._proxies: dict[str, str | None] = {}

    def _why(self, exists: bool) -> str:
        return "mode all records anew" if exists else "there is none yet"

    def _make_server(self, upstream: str) -> CassetteServer:
        recordings = [_recording(self._name, lines) for lines in self._connections]
        manner = Manner(self._speed, self._rule, patience=CLIENT_TIMEOUT, clean=_masked_frame)
        return CassetteServer(self.path, recordings, manner, upstream if self.recording else None)

    @property
    def url(self) -> str:
        """Return the address for the client's `websocket_base_url`, such as ws://127.0.0.1:43210/v1."""
        return self._server.url

    @property
    def endpoint(self) -> str:
        """Return the address for clients that take an HTTP address, such as those of Azure.

        It has no path: `http://127.0.0.1:43210`, or `https` with TLS.
        """
        return f"http{self.url.removeprefix('ws').removesuffix('/v1')}"

    @property
    def ca_file(self) -> str:
        """Return the file with the certificate that the client must trust.

        It is the certificate authority that was made for this cassette, or your own certificate.

        Raises:
            InvalidInputError: The cassette listens without TLS.
        """
        certificate = self._certificate
        if certificate is None:
            raise InvalidInputError("this cassette listens without TLS: ask for it with tls=True")
        return str(certificate.cert or self._listen.ca_file)

    @property
    def drift(self) -> list[Drift]:
        """Return all drift of the connections that have ended, also what the rule allows."""
        return [drift for _, done in sorted(self._server.outcomes.items()) for drift in done.drift]

    def start(self) -> None:
        """Start the server.

        Raises:
            OSError: The server cannot listen on any port.
            InvalidInputError: The certificate or its key cannot be used.
            MissingExtraError: A certificate is to be made, and the extra `tls` is not installed.
        """
        self._listen = self._securing.enter_context(tls_for_listener(self._certificate, _LOOPBACK))
        self._server.tls = self._listen.context
        self._thread.start()
        # Without this, clients would connect to this machine through the environment's proxy.
        for name in _NO_PROXY:
            self._proxies[name] = os.environ.get(name)
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), _LOOPBACK)))

    def problems(self, failed: bool) -> list[str]:
        """Return the problems so far that were not returned before.

        Clients that are still connected may go on.

        Args:
            failed: The test failed by itself. Return only problems that may be the cause.
        """
        self._thread.run(self._server.settle())
        return self._new_problems(failed)

    def finish(self, keep: bool) -> list[str]:
        """End the server and all its connections, and write what was recorded.

        Args:
            keep: The test passed. The cassette is written if there is no problem. Otherwise what
                was recorded stays in `.partial` files beside the cassette.

        Returns:
            The problems that were not returned before.
        """
        self._thread.stop()
        self._securing.close()
        for name, before in self._proxies.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before
        server = self._server
        problems = self._new_problems(failed=not keep)
        try:
            if keep and server.parts and not self._reported:
                write_cassette(self.path, bool(self._connections), server.parts)
        except OSError as error:
            problems.append(f"cannot write {self._name}: {error.strerror or error}")
        finally:
            for part in server.parts:
                part.close()
        return problems

    def left(self) -> str:
        """Return a line that names the files with what was recorded but is not in the cassette.

        Returns an empty text if there are none.
        """
        names = [_shown(part.path) for part in self._server.parts if part.path.exists()]
        told = "no cassette was written; what crossed the wire is in"
        return f"{told} {', '.join(names)}" if names else ""

    def _new_problems(self, failed: bool) -> list[str]:
        found = [*self._drift_problems(failed), *self._server.failures]
        found += self._wrong_number(failed or bool(found))
        news = [problem for problem in found if problem not in self._reported]
        self._reported.update(news)
        return news

    def _drift_problems(self, failed: bool) -> list[str]:
        # A test that failed by itself did not reach its later frames, so their absence is no cause.
        rule = "none" if failed else self._rule
        told = [
            describe_drifts(self._name, number, self._connections[number - 1], drifts)
            for number, outcome in sorted(self._server.outcomes.items())
            if (drifts := failing_drifts(outcome, rule))
        ]
        return [f"{text}\n{self._advice()}" for text in told]

    def _wrong_number(self, failed: bool) -> list[str]:
        """Return a problem if the test made one connection too many, or one too few."""
        held, server = len(self._connections), self._server
        if server.refused:
            return [f"one connection too many; {self._name} holds {held}\n{self._advice()}"]
        if (
            failed
            or self._reported
            or server.open
            or server.opened >= held
            or self._rule not in ORDERED_RULES
        ):
            return []
        line = self._connections[server.opened][0].number
        made = f"connection {server.opened + 1} was never made: {self._name}:{line}"
        return [f"{made}\n{self._advice()}"]

    def _advice(self) -> str:
        return f"If the change is meant, record it anew with {self._anew}"


def _certificate(tls: bool | Certificate) -> Certificate | None:
    """Return the certificate to listen with, or None for no TLS."""
    if isinstance(tls, bool):
        return Certificate() if tls else None
    # The paths are made absolute, because a test may change its working folder.
    return Certificate(*(None if file is None else Path(file).absolute() for file in tls))


def _shown(path: Path) -> str:
    """Return a path for people: relative to the working folder, if it is inside it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _masked_frame(frame: str | bytes) -> str | bytes:
    return mask_frame(frame).text


def _recording(name: str, lines: list[CassetteLine]) -> Recording:
    return read_recording(name, lambda: [line.frame for line in lines])


@contextmanager
def cassette(
    path: str | Path,
    mode: Mode = "once",
    match: MatchRule = "strict",
    upstream: str | None = None,
    pace: str | float = INSTANT,
    tls: bool | Certificate = False,
) -> Iterator[Cassette]:
    """Record the Realtime connections of a block, or replay them if the cassette is there.

    Example:

        with cassette("tests/cassettes/order.jsonl") as recorded:
            client = OpenAI(api_key=recorded.api_key, websocket_base_url=recorded.url)

    Args:
        path: The cassette's file, JSON lines.
        mode: `none` only replays. `once` records if there is no file, and otherwise only replays.
            `new_episodes` replays the connections in the file, and records those after them. `all`
            records all connections again.
        match: How a client's frames are matched with the recorded ones. `strict` compares their
            order and content. `exact` compares also what clients make new each time, such as
            metadata. `type` compares only their types, and `none` nothing.
        upstream: The server to record, in place of `wss://api.openai.com/v1`. The default can also
            be set by EVENTSTORE_CASSETTE_UPSTREAM.
        pace: How fast frames are sent: `instant`, `recorded`, or a number such as 2 for twice as
            fast as recorded.
        tls: True to listen with TLS, with a certificate that is made for this block (needs the
            extra `tls`). The client must trust the cassette's `ca_file`. Or your own certificate
            for 127.0.0.1.

    Yields:
        The cassette, with `url` and `api_key` for the client.

    Raises:
        InvalidInputError: An argument or the file cannot be used, or there is no key to record.
        NotFoundError: There is no cassette to replay.
        MissingExtraError: A certificate is to be made, and the extra `tls` is not installed.
        DriftError: At the end of the block: the client drifted from the recording, or recording
            failed. If the block raised an exception, this is a note of that exception instead.
    """
    used = Cassette(path, mode, match, upstream, pace, tls=tls)
    used.start()
    try:
        yield used
    except BaseException as error:
        for note in (*used.finish(keep=False), used.left()):
            if note:
                error.add_note(note)
        raise
    if problems := used.finish(keep=True):
        raise DriftError("\n".join(filter(None, (*problems, used.left()))))
