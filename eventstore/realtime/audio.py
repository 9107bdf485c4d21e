"""Audio formats as sessions state them, and how many bytes a millisecond takes."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from eventstore.realtime.values import integer, mapping, text

PCM_RATE = 24_000
#: The lowest and the highest rate that PCM can be told to have, in samples a second.
LOWEST_RATE, HIGHEST_RATE = 8000, 48_000


class SampleRates(NamedTuple):
    """Samples a second of a session's PCM as somebody told them, whatever its server says.

    Attributes:
        input: the user's audio; None where nothing was told.
        output: the model's audio, likewise.
    """

    input: int | None = None
    output: int | None = None


#: Nothing was told.
NO_SAMPLE_RATES = SampleRates()

PCM_FORMAT: dict[str, Any] = {"type": "audio/pcm", "rate": PCM_RATE}
#: What stands for a format that was named, and is none that we know.
UNKNOWN_FORMAT: dict[str, Any] = {"type": "unknown"}

#: Names in the beta shape, and the GA types that they stand for.
FORMATS_BY_BETA_NAME = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
BETA_NAMES_BY_FORMAT = {ga: beta for beta, ga in FORMATS_BY_BETA_NAME.items()}
# PCM at a rate of its own: Azure Voice Live's names, its older ones, and Qwen's for 24 kHz.
_PCM_AT_RATE = re.compile(r"pcm16[-_](8000|16000|24000|48000)hz")
_AZURE_RATES = (8000, 16000)
_QWEN_PCM = "pcm24"
#: What Qwen's servers mean by `pcm16`.
_QWEN_RATE = 16_000


def ga_format(value: Any, rate: int | None = None) -> dict[str, Any] | None:
    """An audio format in the GA shape from either shape; None where it names none we know."""
    name = text(mapping(value).get("type")) if isinstance(value, dict) else text(value)
    if name is None:
        return None
    named = _PCM_AT_RATE.fullmatch(name)
    if named is not None:
        return {"type": "audio/pcm", "rate": int(named[1])}
    if name == _QWEN_PCM:
        return PCM_FORMAT
    ga = FORMATS_BY_BETA_NAME.get(name, name)
    if ga not in BETA_NAMES_BY_FORMAT:
        return None
    if ga != "audio/pcm":
        return {"type": ga}
    stated = integer(mapping(value).get("rate")) or rate or PCM_RATE
    return {"type": ga, "rate": stated if 1000 <= stated <= 384_000 else PCM_RATE}


def beta_name(format_: dict[str, Any] | None) -> str | None:
    """An output format's name in the beta shape; Azure Voice Live's where the rate needs it."""
    if format_ is None:
        return None
    rate = format_.get("rate", PCM_RATE)
    return BETA_NAMES_BY_FORMAT[format_["type"]] + (f"_{rate}hz" if rate in _AZURE_RATES else "")


def bytes_per_ms(format_: dict[str, Any] | None) -> float:
    """Bytes in a millisecond of mono audio; PCM16 at 24 kHz where the format is unknown."""
    if format_ is None:
        return PCM_RATE * 2 / 1000
    if format_["type"] == "audio/pcm":
        return float(format_["rate"]) * 2 / 1000
    return 8.0


def valid_rate(value: Any) -> int | None:
    """Return a rate as a note tells it; None for one that no PCM has."""
    rate = integer(value)
    return rate if rate is not None and LOWEST_RATE <= rate <= HIGHEST_RATE else None


def rates_of_note(note: dict[str, Any]) -> SampleRates:
    """Return the rates that a store's note tells: see `capture.notes.sample_rates`."""
    return SampleRates(valid_rate(note.get("input")), valid_rate(note.get("output")))


def at_rate(format_: dict[str, Any] | None, rate: int | None) -> dict[str, Any] | None:
    """Return the format, at a rate that was told: PCM, or what is taken for PCM, alone has one."""
    if rate is None or (format_ or PCM_FORMAT)["type"] != "audio/pcm":
        return format_
    return {"type": "audio/pcm", "rate": rate}


def input_format(session: dict[str, Any]) -> dict[str, Any] | None:
    """What the user's audio is sent in, by the session's configuration."""
    audio = mapping(mapping(session.get("audio")).get("input"))
    rate = integer(session.get("input_audio_sampling_rate")) or _rate_of_pcm16(session)
    return ga_format(audio.get("format")) or ga_format(session.get("input_audio_format"), rate)


def _rate_of_pcm16(session: dict[str, Any]) -> int | None:
    """What `pcm16` means to Qwen's servers, which are told by a model or by a name of their own."""
    formats = (session.get("input_audio_format"), session.get("output_audio_format"))
    is_qwen = _QWEN_PCM in formats or (text(session.get("model")) or "").lower().startswith("qwen")
    return _QWEN_RATE if is_qwen else None


def output_format(session: dict[str, Any]) -> dict[str, Any] | None:
    """What the model's audio comes in, by the session's (or a response's) configuration."""
    audio = mapping(mapping(session.get("audio")).get("output"))
    return ga_format(audio.get("format")) or ga_format(session.get("output_audio_format"))


def stated_input_format(
    session: dict[str, Any], rates: SampleRates = NO_SAMPLE_RATES
) -> dict[str, Any]:
    """What the user's audio comes in: PCM where nothing is said, `UNKNOWN` for what we know not.

    Args:
        session: its configuration.
        rates: what was told of it.
    """
    audio = mapping(mapping(session.get("audio")).get("input"))
    stated = audio.get("format") or session.get("input_audio_format")
    format_ = input_format(session) or (UNKNOWN_FORMAT if stated else PCM_FORMAT)
    return at_rate(format_, rates.input) or format_


def stated_output_format(
    session: dict[str, Any], rates: SampleRates = NO_SAMPLE_RATES
) -> dict[str, Any]:
    """What the model's audio comes in, likewise."""
    audio = mapping(mapping(session.get("audio")).get("output"))
    stated = audio.get("format") or session.get("output_audio_format")
    format_ = output_format(session) or (UNKNOWN_FORMAT if stated else PCM_FORMAT)
    return at_rate(format_, rates.output) or format_
