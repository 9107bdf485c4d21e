"""Describe the shapes of JSON that an API takes, and keep of a value what fits them.

A shape is a function: it returns the part of a value that fits, or None if the value does not fit.
Values of the wire are untrusted, and what is made of them must be valid. Called by live_config.py
and live_tools.py. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eventstore.realtime.values import mapping

Json = dict[str, Any]
Shape = Callable[[Any], Any]


def flag(value: Any) -> bool | None:
    """Return True or False, and None for every other value."""
    return value if isinstance(value, bool) else None


def given_object(value: Any) -> Json | None:
    """Return an object as it is, and None for every other value."""
    return value if isinstance(value, dict) else None


def literal(*allowed: str) -> Shape:
    """Return the shape of a text that is one of these."""
    return lambda value: value if isinstance(value, str) and value in allowed else None


def first_of(*shapes: Shape) -> Shape:
    """Return the shape of a value that fits one of several shapes; the first one counts."""

    def fitting(value: Any) -> Any:
        made = (shape(value) for shape in shapes)
        return next((one for one in made if one is not None), None)

    return fitting


def listed(shape: Shape) -> Shape:
    """Return the shape of a list without the entries that do not fit; an empty one fits nothing."""

    def fitting(value: Any) -> list[Any] | None:
        if not isinstance(value, list):
            return None
        return [made for entry in value if (made := shape(entry)) is not None] or None

    return fitting


def record(
    required: Mapping[str, Shape] | None = None, optional: Mapping[str, Shape] | None = None
) -> Shape:
    """Return the shape of an object.

    Args:
        required: The members that the object must have, and their shapes.
        optional: The members that are left out if they do not fit.
    """

    def fitting(value: Any) -> Json | None:
        if not isinstance(value, dict):
            return None
        made = {}
        for name, shape in (required or {}).items():
            made[name] = shape(value.get(name))
            if made[name] is None:
                return None
        for name, shape in (optional or {}).items():
            if (member := shape(value.get(name))) is not None:
                made[name] = member
        return made

    return fitting


def by_type(shapes: Mapping[str, Shape]) -> Shape:
    """Return the shape of an object whose member `type` tells which of several shapes it has."""

    def fitting(value: Any) -> Json | None:
        kind = mapping(value).get("type")
        shape = shapes.get(kind) if isinstance(kind, str) else None
        made = shape(value) if shape is not None else None
        return None if made is None else {"type": kind, **made}

    return fitting
