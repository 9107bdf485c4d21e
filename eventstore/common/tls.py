"""Give a listener TLS, with the user's certificate or with one that is made for the run.

Called by the commands that serve (`record`, `replay --serve`, `serve`) and by cassettes. Some
clients connect only by TLS, even to a test server: openai-node's Realtime client and Azure's.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from eventstore.errors import InvalidInputError, MissingExtraError

#: How long a certificate that is made for a run is valid.
VALID_FOR = timedelta(days=14)
#: Environment variables that name a file of authorities to trust. The first one is read by Node,
#: the second one by OpenSSL, Python and httpx.
TRUST_VARIABLES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104
_MOST = 1024 * 1024


class Certificate(NamedTuple):
    """The certificate that a user wants a listener to have.

    Attributes:
        cert: A PEM file with the certificate and its chain, or None to make a certificate.
        key: The file of its private key, or None if the key is in `cert`.
    """

    cert: Path | None = None
    key: Path | None = None


class ListenerTls(NamedTuple):
    """What a listener needs for TLS.

    Attributes:
        context: The server's TLS context, or None for no TLS.
        ca_file: The file of the authority that clients must trust, if a certificate was made for
            the run; otherwise None.
    """

    context: ssl.SSLContext | None = None
    ca_file: Path | None = None


@contextmanager
def tls_for_listener(certificate: Certificate | None, *hosts: str) -> Iterator[ListenerTls]:
    """Yield what a listener needs for TLS, and delete the files made for it at the end.

    Args:
        certificate: The certificate, or None for no TLS.
        hosts: The addresses that it listens on. A certificate that is made is for these names and
            for those of loopback.

    Raises:
        InvalidInputError: A file cannot be read, or holds no certificate or no matching key.
        MissingExtraError: A certificate cannot be made, because the extra `tls` is missing.
    """
    if certificate is None:
        yield ListenerTls()
    elif certificate.cert is not None:
        yield ListenerTls(_load(certificate.cert, certificate.key))
    elif certificate.key is not None:
        raise InvalidInputError(f"key {certificate.key}: name its certificate as well")
    else:
        with _made(hosts) as made:
            yield made


def listener_context() -> ssl.SSLContext:
    """Return a TLS context for a listener, without a certificate as yet.

    It sends no session tickets, which arrive while a client sends its first request. A client that
    reads in another thread, such as the `openai` package's, then uses one connection of OpenSSL in
    two threads at once (python/cpython, issue 76714): one in two hundred first requests was lost.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.num_tickets = 0
    return context


@contextmanager
def _made(hosts: tuple[str, ...]) -> Iterator[ListenerTls]:
    """Make an authority and a certificate.

    The authority's key is never written to a file. The certificate's key is in a file for a
    moment, because OpenSSL loads keys only from files.
    """
    try:
        import trustme
    except ImportError as error:
        raise MissingExtraError("trustme", "tls") from error
    authority = trustme.CA(path_length=0, organization_name="eventstore, for one run")
    names = dict.fromkeys((*_LOOPBACK, *_names(hosts)))
    try:
        leaf = authority.issue_cert(*names, not_after=datetime.now(UTC) + VALID_FOR)
    except ValueError as error:
        all_hosts = ", ".join(hosts)
        raise InvalidInputError(f"no certificate can be made for {all_hosts}: {error}") from error
    # Only this user can read the folder.
    with TemporaryDirectory(prefix="eventstore-tls-") as folder:
        context = listener_context()
        with leaf.private_key_and_cert_chain_pem.tempfile(dir=folder) as path:
            context.load_cert_chain(path)
        ca_file = Path(folder, "ca.pem")
        ca_file.write_bytes(authority.cert_pem.bytes())
        yield ListenerTls(context, ca_file)


def _names(hosts: tuple[str, ...]) -> Iterator[str]:
    """Yield the names for a certificate. An address of all networks gets the machine's name."""
    for host in hosts:
        yield socket.gethostname() if host in _EVERYWHERE else host


def _load(cert: Path, key: Path | None) -> ssl.SSLContext:
    context = listener_context()
    try:
        # An empty password stops OpenSSL from asking for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        raise InvalidInputError(_trouble(cert, key, error)) from error
    return context


def _trouble(cert: Path, key: Path | None, error: Exception) -> str:
    """Return why a certificate and its key cannot be used. OpenSSL does not name the file."""
    held = f"key {key}" if key else f"certificate {cert}"
    try:
        certificate = _content(cert, "certificate")
        keys = _content(key, "key") if key else certificate
    except InvalidInputError as unreadable:
        return str(unreadable)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        return f"certificate {cert}: there is no certificate in PEM in it"
    if b"PRIVATE KEY-----" not in keys:
        return f"{held}: there is no key in PEM in it" + ("" if key else "; name its key as well")
    if b"ENCRYPTED" in keys:
        return f"{held}: the key has a passphrase; give one without"
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"{held}: the key is not the one of the certificate {cert}"
    return f"certificate {cert}: OpenSSL cannot use it and its key"


def _content(path: Path, kind: str) -> bytes:
    """Return the first MiB of a file.

    Raises:
        InvalidInputError: The file cannot be read.
    """
    try:
        # Without O_NONBLOCK, opening a pipe would wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST) or b""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(f"cannot read the {kind} {path}: {why}") from error
