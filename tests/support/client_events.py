"""Client events as the `openai` package declares them: strictly valid, and nothing undeclared."""

from __future__ import annotations

import types
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from openai.types.beta.realtime import RealtimeClientEvent as BetaEvent
from openai.types.live.client_event import ClientEvent as LiveEvent
from openai.types.realtime import RealtimeClientEvent as GaEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

EVENT: dict[str, Any] = {"beta": BetaEvent, "ga": GaEvent, "live": LiveEvent}

#: Names that Azure Voice Live knows and the package does not.
AZURE_FORMATS = ("pcm16_8000hz", "pcm16_16000hz")


def check_client_event(event: dict[str, Any], dialect: str) -> None:
    """Fail unless a client of the dialect, or of `live`, may send this event as it is declared."""
    session = event.get("session", {})
    if session.get("output_audio_format") in AZURE_FORMATS:
        event = {**event, "session": {**session, "output_audio_format": "pcm16"}}
    _adapter(EVENT[dialect]).validate_python(event, strict=True)
    assert undeclared(EVENT[dialect], event) == []
    assert nulls(event) in ([], ["turn_detection"]), event


def undeclared(declared: Any, value: Any, path: str = "") -> list[str]:
    """The paths of a value's fields that its type does not declare; its models allow any."""
    origin, arguments = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return undeclared(arguments[0], value, path)
    if origin in (Union, types.UnionType):
        fitting = [one for one in arguments if _fits(one, value)]
        return min((undeclared(one, value, path) for one in fitting), key=len, default=[path])
    inner: list[tuple[Any, Any, str]] = []
    unknown: list[str] = []
    if isinstance(declared, type) and issubclass(declared, BaseModel) and isinstance(value, dict):
        fields = declared.model_fields
        unknown = [f"{path}.{key}" for key in value if key not in fields]
        known = set(value) & set(fields)
        inner = [(fields[key].annotation, value[key], f"{path}.{key}") for key in known]
    elif origin is list and isinstance(value, list):
        inner = [(arguments[0], one, f"{path}[]") for one in value]
    elif origin is dict and isinstance(value, dict):
        inner = [(arguments[1], one, f"{path}.{key}") for key, one in value.items()]
    return unknown + [found for one in inner for found in undeclared(*one)]


def nulls(value: Any, name: str = "") -> list[str]:
    """The names of fields that are null; what a user's own schema holds is not looked at."""
    if value is None:
        return [name]
    if isinstance(value, list):
        return [found for one in value for found in nulls(one, name)]
    if isinstance(value, dict):
        own = ("parameters", "metadata", "data")
        return [f for key, one in value.items() if key not in own for f in nulls(one, key)]
    return []


def _fits(declared: Any, value: Any) -> bool:
    try:
        _adapter(declared).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _adapter(declared: Any) -> TypeAdapter[Any]:
    return TypeAdapter(declared)
