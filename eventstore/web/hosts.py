"""What the headers `Host` and `Origin` name. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit


def netloc_of(origin: str) -> str:
    """The host, with its port, that an `Origin` names; empty where it names none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def is_loopback(netloc: str) -> bool:
    """Whether a host, with a port or without, is this machine itself."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
