"""Cassettes: the first run goes through to the real server and is recorded, later ones replay."""

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
from eventstore.replay.serving.matching import IN_ORDER, RULES, Drift, Rule
from eventstore.replay.serving.pace import INSTANT, speed_of
from eventstore.replay.serving.recording import Recording, read_recording

Mode = Literal["none", "once", "new_episodes", "all"]
MODES: tuple[Mode, ...] = ("none", "once", "new_episodes", "all")

#: Where recordings are made, and the variable that names another place.
OPENAI = "wss://api.openai.com/v1"
UPSTREAM_VARIABLE = "EVENTSTORE_CASSETTE_UPSTREAM"
KEY_VARIABLE = "OPENAI_API_KEY"
_NO_PROXY, _LOOPBACK = ("NO_PROXY", "no_proxy"), "127.0.0.1"
#: What clients may take for a key where nothing is recorded.
NO_KEY = "no-key-is-needed"
#: Seconds without a frame from a client that the replay waits for, before it fails.
PATIENCE = 30.0


class Cassette:
    """A cassette in use, between `start` and `finish`.

    Attributes:
        path: the file.
        mode: none, once, new_episodes or all.
        recording: whether connections go through to the real server, all or those beyond the
            cassette's.
        api_key: for the client: the environment's where it records, else one that is none.
        url, endpoint: for the client, as `websocket_base_url` or as an address of HTTP.
        ca_file: what the client is to trust, if the cassette listens with TLS.

    Args:
        path, mode, match, upstream, pace, tls: see `cassette`.
        anew: what a person does to record it anew.

    Raises:
        InvalidInputError: an argument or the file cannot be used, or recording lacks a key.
        NotFoundError: there is no cassette to replay.
    """

    def __init__(
        self,
        path: str | Path,
        mode: Mode = "once",
        match: Rule = "strict",
        upstream: str | None = None,
        pace: str | float = INSTANT,
        anew: str = 'mode="all"',
        tls: bool | Certificate = False,
    ) -> None:
        if mode not in MODES:
            raise InvalidInputError(f"mode {mode!r}: use {', '.join(MODES)}")
        if match not in RULES:
            raise InvalidInputError(f"match {match!r}: use {', '.join(RULES)}")
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
        self._told: set[str] = set()
        self._proxies: dict[str, str | None] = {}

    def _why(self, exists: bool) -> str:
        return "mode all records anew" if exists else "there is none yet"

    def _make_server(self, upstream: str) -> CassetteServer:
        recordings = [_recording(self._name, lines) for lines in self._connections]
        manner = Manner(self._speed, self._rule, patience=PATIENCE, clean=_clean)
        return CassetteServer(self.path, recordings, manner, upstream if self.recording else None)

    @property
    def url(self) -> str:
        """For the client, as `websocket_base_url`."""
        return self._server.url

    @property
    def endpoint(self) -> str:
        """The same server for clients that take an address of HTTP, such as those of Azure.

        It has no path: `https://127.0.0.1:43210`, with `http` where there is no TLS.
        """
        return f"http{self.url.removeprefix('ws').removesuffix('/v1')}"

    @property
    def ca_file(self) -> str:
        """The file that a client is to trust: of the authority that was made, or one's own.

        Raises:
            InvalidInputError: there is no TLS.
        """
        wanted = self._certificate
        if wanted is None:
            raise InvalidInputError("this cassette listens without TLS: ask for it with tls=True")
        return str(wanted.cert or self._listen.ca_file)

    @property
    def drift(self) -> list[Drift]:
        """What connections that are over did otherwise than recorded, forgiven or not."""
        return [drift for _, done in sorted(self._server.outcomes.items()) for drift in done.drift]

    def start(self) -> None:
        """Start to serve.

        Raises:
            OSError: no port can be listened on.
            InvalidInputError: the certificate or its key cannot be used.
            MissingExtraError: none can be made, because the extra `tls` is not installed.
        """
        self._listen = self._securing.enter_context(tls_for_listener(self._certificate, _LOOPBACK))
        self._server.tls = self._listen.context
        self._thread.start()
        # Clients would ask a proxy of the environment's for this very machine.
        for name in _NO_PROXY:
            self._proxies[name] = os.environ.get(name)
            os.environ[name] = ",".join(filter(None, (os.environ.get(name), _LOOPBACK)))

    def problems(self, failed: bool) -> list[str]:
        """What is known to be wrong by now; clients that are still connected may go on.

        Args:
            failed: the test failed by itself: tell only what may be the cause of that.
        """
        self._thread.run(self._server.settle())
        return self._news(failed)

    def finish(self, keep: bool) -> list[str]:
        """End the server and all its connections, and write what was recorded.

        Args:
            keep: the test passed: write it, if nothing is wrong. Else it is left in parts beside
                the cassette.

        Returns:
            What is wrong and was not told before.
        """
        self._thread.stop()
        self._securing.close()
        for name, before in self._proxies.items():
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before
        server = self._server
        problems = self._news(failed=not keep)
        try:
            if keep and server.parts and not self._told:
                write_cassette(self.path, bool(self._connections), server.parts)
        except OSError as error:
            problems.append(f"cannot write {self._name}: {error.strerror or error}")
        finally:
            for part in server.parts:
                part.close()
        return problems

    def left(self) -> str:
        """Where to find what was recorded but not written as a cassette; empty without any."""
        names = [_shown(part.path) for part in self._server.parts if part.path.exists()]
        told = "no cassette was written; what crossed the wire is in"
        return f"{told} {', '.join(names)}" if names else ""

    def _news(self, failed: bool) -> list[str]:
        found = [*self._drifted(failed), *self._server.failures]
        found += self._uncalled(failed or bool(found))
        news = [problem for problem in found if problem not in self._told]
        self._told.update(news)
        return news

    def _drifted(self, failed: bool) -> list[str]:
        # What a test that failed by itself did not come to is no news.
        rule = "none" if failed else self._rule
        told = [
            describe_drifts(self._name, number, self._connections[number - 1], drifts)
            for number, outcome in sorted(self._server.outcomes.items())
            if (drifts := failing_drifts(outcome, rule))
        ]
        return [f"{text}\n{self._advice()}" for text in told]

    def _uncalled(self, failed: bool) -> list[str]:
        """Connections that are one too many, or were never made."""
        held, server = len(self._connections), self._server
        if server.refused:
            return [f"one connection too many; {self._name} holds {held}\n{self._advice()}"]
        if (
            failed
            or self._told
            or server.open
            or server.opened >= held
            or self._rule not in IN_ORDER
        ):
            return []
        line = self._connections[server.opened][0].number
        made = f"connection {server.opened + 1} was never made: {self._name}:{line}"
        return [f"{made}\n{self._advice()}"]

    def _advice(self) -> str:
        return f"If the change is meant, record it anew with {self._anew}"


def _certificate(tls: bool | Certificate) -> Certificate | None:
    """What to listen with; None for no TLS."""
    if isinstance(tls, bool):
        return Certificate() if tls else None
    # A test may change its folder.
    return Certificate(*(None if file is None else Path(file).absolute() for file in tls))


def _shown(path: Path) -> str:
    """A path as people read it: from here, where it is below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _clean(frame: str | bytes) -> str | bytes:
    return mask_frame(frame).text


def _recording(name: str, lines: list[CassetteLine]) -> Recording:
    return read_recording(name, lambda: [line.frame for line in lines])


@contextmanager
def cassette(
    path: str | Path,
    mode: Mode = "once",
    match: Rule = "strict",
    upstream: str | None = None,
    pace: str | float = INSTANT,
    tls: bool | Certificate = False,
) -> Iterator[Cassette]:
    """Record a block's Realtime connections, or replay them.

    Args:
        path: the file, JSON lines.
        mode: `none` replays alone; `once` records where there is no file, and else replays alone;
            `new_episodes` replays the connections that are there, and records those beyond them;
            `all` records anew.
        match: how a client's frames are matched with the recorded ones: `strict` by their order
            and content, `exact` with what clients make anew each time as well, `type` by their
            types, `none` not at all.
        upstream: what stands for `wss://api.openai.com/v1`; by default that, or what
            EVENTSTORE_CASSETTE_UPSTREAM names.
        pace: how fast frames come: `instant`, `recorded`, or a number of times as fast as recorded.
        tls: True to listen with TLS, with a certificate that is made for the block: the client is
            to trust the cassette's `ca_file`. It needs the extra `tls`. A certificate of one's own
            must be for 127.0.0.1.

    Returns:
        The cassette, with its `url` and `api_key` for the client.

    Raises:
        InvalidInputError: an argument or the file cannot be used, or recording lacks a key.
        NotFoundError: there is no cassette to replay.
        MissingExtraError: a certificate cannot be made, because the extra `tls` is not installed.
        DriftError: at the block's end: it did otherwise than recorded, or the recording failed.
            Where the block raised itself, that goes on, with this as a note.
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
