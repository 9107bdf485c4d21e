"""Certificates to listen with: made for a run, or one's own."""

from __future__ import annotations

import os
import socket
import ssl
import stat
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from eventstore.common.tls import VALID_FOR, Certificate, tls_for_listener
from eventstore.errors import InvalidInputError, MissingExtraError


def greet(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> dict[str, object]:
    """Shake hands over a socket pair; gives the certificate that the client took."""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        with suppress(OSError), server.wrap_socket(ours, server_side=True) as connection:
            connection.sendall(b"x")
            connection.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname=name) as connection:
            assert connection.recv(1) == b"x"
            return connection.getpeercert() or {}
    finally:
        theirs.close()
        thread.join(10)


@pytest.mark.parametrize("own", [False, True], ids=["made", "own"])
def test_a_listener_sends_no_session_tickets(own: bool, tmp_path: Path) -> None:
    """A client that reads and writes in two threads loses its first request to them."""
    authority, pem = trustme.CA(), tmp_path / "own.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
    with tls_for_listener(Certificate(pem if own else None), "localhost") as made:
        assert made.context is not None
        client = ssl.create_default_context(cafile=made.ca_file)
        authority.configure_trust(client)
        ours, theirs = socket.socketpair()
        with ours, ThreadPoolExecutor(1) as one:
            serving = one.submit(made.context.wrap_socket, ours, server_side=True)
            with client.wrap_socket(theirs, server_hostname="localhost") as connection:
                serving.result().sendall(b"x")
                assert connection.recv(1) == b"x"
                assert connection.session is not None and not connection.session.has_ticket


def strict(ca_file: Path) -> ssl.SSLContext:
    """A client that looks at certificates as Python does since 3.13."""
    context = ssl.create_default_context(cafile=str(ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "relay.example", "10.1.2.3"])
def test_a_certificate_is_made_for_loopback_and_where_it_listens(name: str) -> None:
    with tls_for_listener(Certificate(), "relay.example", "10.1.2.3") as made:
        assert made.context is not None and made.ca_file is not None
        found = greet(made.context, strict(made.ca_file), name)
    left = ssl.cert_time_to_seconds(str(found["notAfter"])) - time.time()
    assert 0 < left <= VALID_FOR.total_seconds()


def test_listening_on_all_networks_the_machines_name_is_in_it() -> None:
    with tls_for_listener(Certificate(), "0.0.0.0") as made:
        assert made.context is not None and made.ca_file is not None
        assert greet(made.context, strict(made.ca_file), socket.gethostname())


def test_two_runs_do_not_trust_each_other() -> None:
    with tls_for_listener(Certificate()) as one, tls_for_listener(Certificate()) as other:
        assert one.context is not None and other.ca_file is not None
        client = strict(other.ca_file)
        with pytest.raises(ssl.SSLCertVerificationError):
            greet(one.context, client, "localhost")


def test_no_key_is_left_on_disk_and_the_folder_goes() -> None:
    with tls_for_listener(Certificate()) as made:
        assert made.ca_file is not None
        folder = made.ca_file.parent
        assert list(folder.iterdir()) == [made.ca_file]
        assert "PRIVATE" not in made.ca_file.read_text()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_host_that_no_certificate_can_be_made_for_is_told() -> None:
    with pytest.raises(InvalidInputError, match="no certificate can be made for a b"):
        tls_for_listener(Certificate(), "a b").__enter__()


def test_without_the_extra_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'realtime-eventstore\[tls\]'"):
        tls_for_listener(Certificate()).__enter__()


def test_without_a_certificate_there_is_no_tls() -> None:
    with tls_for_listener(None, "127.0.0.1") as made:
        assert made == (None, None)


# One's own


class Pair:
    """A certificate and its key as files."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        leaf = self.authority.issue_cert("localhost", "127.0.0.1")
        self.cert, self.key, self.both = (folder / f"{n}.pem" for n in ("cert", "key", "both"))
        leaf.cert_chain_pems[0].write_to_path(self.cert)
        leaf.private_key_pem.write_to_path(self.key)
        leaf.private_key_and_cert_chain_pem.write_to_path(self.both)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_a_pair_is_taken_in_one_file_or_in_two(pair: Pair) -> None:
    client = ssl.create_default_context()
    pair.authority.configure_trust(client)
    for files in ((pair.cert, pair.key), (pair.both, None)):
        with tls_for_listener(Certificate(*files)) as own:
            assert own.context is not None and own.ca_file is None
            assert greet(own.context, client, "127.0.0.1")


def wrong_key(pair: Pair) -> Certificate:
    other = pair.cert.with_name("other.pem")
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(other)
    return Certificate(pair.cert, other)


def garbled(pair: Pair) -> Certificate:
    pair.cert.write_text("-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    return Certificate(pair.cert, pair.key)


def pipe(pair: Pair) -> Certificate:
    reading, writing = os.pipe()
    os.close(writing)
    return Certificate(Path(f"/dev/fd/{reading}"), pair.key)


def waiting(pair: Pair) -> Certificate:
    """A certificate that OpenSSL refuses before it opens the key, a pipe that nobody writes to."""
    pair.cert.write_text("nonsense")
    fifo = pair.cert.with_name("fifo")
    os.mkfifo(fifo)
    return Certificate(pair.cert, fifo)


def with_passphrase(pair: Pair) -> Certificate:
    pair.key.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----")
    return Certificate(pair.cert, pair.key)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (lambda p: Certificate(None, p.key), r"key .*key\.pem: name its certificate as well"),
        (lambda p: Certificate(p.cert), r"cert\.pem: there is no key .*; name its key as well"),
        (lambda p: Certificate(p.key, p.cert), r"key\.pem: there is no certificate in PEM"),
        (lambda p: Certificate(p.cert, p.cert), r"key .*cert\.pem: there is no key in PEM"),
        (lambda p: Certificate(Path("nowhere"), p.key), "certificate nowhere: No such file"),
        (lambda p: Certificate(p.cert, Path("nowhere")), "key nowhere: No such file"),
        (lambda p: Certificate(p.cert.parent, p.key), "certificate .*: Is a directory"),
        (lambda p: Certificate(Path("a\0b"), p.key), "embedded null byte"),
        (wrong_key, r"other\.pem: the key is not the one of the certificate .*cert\.pem"),
        (with_passphrase, r"key\.pem: the key has a passphrase; give one without"),
        (garbled, "OpenSSL cannot use it and its key"),
        (pipe, "there is no certificate in PEM"),
        (waiting, "there is no certificate in PEM"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    pair: Pair, wanted: Callable[[Pair], Certificate], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said) as told:
        tls_for_listener(wanted(pair)).__enter__()
    assert "\n" not in str(told.value)
