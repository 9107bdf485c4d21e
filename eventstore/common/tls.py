"""TLS for what listens: with a certificate of one's own, or with one that is made for the run.

Some clients connect by TLS alone, to a server of tests too: openai-node's Realtime client and those
of Azure. Called by the commands that serve (`record`, `replay --serve`, `serve`) and by cassettes.
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

#: How long a certificate that was made for a run can be used.
VALID_FOR = timedelta(days=14)
#: Variables by which apps are told whom to trust: Node's, and those of OpenSSL, Python and httpx.
TRUST_VARIABLES = ("NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104
_MOST = 1024 * 1024


class Certificate(NamedTuple):
    """What to listen with.

    Attributes:
        cert: a file (PEM) of a certificate and those that vouch for it; None to make one.
        key: the file of its key; None where that is in `cert`.
    """

    cert: Path | None = None
    key: Path | None = None


class ListenerTls(NamedTuple):
    """How a listener is secured.

    Attributes:
        context: for the server; None for no TLS.
        ca_file: the authority that clients are to trust, of a certificate that was made; else None.
    """

    context: ssl.SSLContext | None = None
    ca_file: Path | None = None


@contextmanager
def tls_for_listener(wanted: Certificate | None, *hosts: str) -> Iterator[ListenerTls]:
    """Have what a listener needs for TLS, until the block is left.

    Args:
        wanted: the certificate; None for no TLS.
        hosts: where it listens. One that is made is for these names, and for loopback's.

    Raises:
        InvalidInputError: a file cannot be read, or they are no certificate and its key.
        MissingExtraError: none can be made, because the extra `tls` is not installed.
    """
    if wanted is None:
        yield ListenerTls()
    elif wanted.cert is not None:
        yield ListenerTls(_load(wanted.cert, wanted.key))
    elif wanted.key is not None:
        raise InvalidInputError(f"key {wanted.key}: name its certificate as well")
    else:
        with _made(hosts) as made:
            yield made


@contextmanager
def _made(hosts: tuple[str, ...]) -> Iterator[ListenerTls]:
    """Make an authority and a certificate. The authority's key is in memory alone.

    The certificate's own key is in a file, which OpenSSL wants, while it is loaded.
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
        told = ", ".join(hosts)
        raise InvalidInputError(f"no certificate can be made for {told}: {error}") from error
    # The folder is for this user alone.
    with TemporaryDirectory(prefix="eventstore-tls-") as folder:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with leaf.private_key_and_cert_chain_pem.tempfile(dir=folder) as path:
            context.load_cert_chain(path)
        ca_file = Path(folder, "ca.pem")
        ca_file.write_bytes(authority.cert_pem.bytes())
        yield ListenerTls(context, ca_file)


def _names(hosts: tuple[str, ...]) -> Iterator[str]:
    """What clients may call these addresses; one of all networks has the machine's name."""
    for host in hosts:
        yield socket.gethostname() if host in _EVERYWHERE else host


def _load(cert: Path, key: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # No password is asked for: there may be nobody to type it.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        raise InvalidInputError(_trouble(cert, key, error)) from error
    return context


def _trouble(cert: Path, key: Path | None, error: Exception) -> str:
    """Why a certificate and its key cannot be used; OpenSSL does not say of which file."""
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


def _content(path: Path, what: str) -> bytes:
    """The beginning of a file.

    Raises:
        InvalidInputError: it cannot be read.
    """
    try:
        # Without O_NONBLOCK, a pipe would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_MOST) or b""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(f"cannot read the {what} {path}: {why}") from error
