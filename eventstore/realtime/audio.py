"""Read audio formats from the configuration of sessions, in the shapes of any server.

Called by the fold, by the sound's time line, and by dialects. The GA shape of a format is
`{"type": "audio/pcm", "rate": 24000}`; the beta shape is a name such as `pcm16`.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from eventstore.realtime.values import integer, mapping, text

PCM_RATE = 24_000
#: The lowest and the highest sample rate that an import may tell, in samples a second.
LOWEST_RATE, HIGHEST_RATE = 8000, 48_000


class SampleRates(NamedTuple):
    """The sample rates of a session's PCM that an import told. They win over the server's.

    Attributes:
        input: The rate of the user's audio in samples a second, or None if it was not told.
        output: The rate of the model's audio, likewise.
    """

    input: int | None = None
    output: int | None = None


NO_SAMPLE_RATES = SampleRates()

PCM_FORMAT: dict[str, Any] = {"type": "audio/pcm", "rate": PCM_RATE}
#: Stands for a format that the session names, but that the store does not know.
UNKNOWN_FORMAT: dict[str, Any] = {"type": "unknown"}

#: The GA type of each name in the beta shape, and the name of each type.
FORMATS_BY_BETA_NAME = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
BETA_NAMES_BY_FORMAT = {ga: beta for beta, ga in FORMATS_BY_BETA_NAME.items()}
# Names of PCM with a rate: Azure Voice Live's new and old ones, and Qwen's name for 24 kHz.
_PCM_AT_RATE = re.compile(r"pcm16[-_](8000|16000|24000|48000)hz")
_AZURE_RATES = (8000, 16000)
_QWEN_PCM = "pcm24"
#: The sample rate that `pcm16` means to Qwen's servers.
_QWEN_RATE = 16_000


def ga_format(value: Any, rate: int | None = None) -> dict[str, Any] | None:
    """Return an audio format in the GA shape, or None if its name is missing or unknown.

    Args:
        value: The format in the GA or the beta shape, or any other JSON value.
        rate: The sample rate of PCM that states none; None means 24 kHz.
    """
    name = text(mapping(value).get("type")) if isinstance(value, dict) else text(value)
    if name is None:
        return None
    ga = FORMATS_BY_BETA_NAME.get(name, name)
    if ga not in BETA_NAMES_BY_FORMAT:
        named = _PCM_AT_RATE.fullmatch(name)
        if named is not None:
            return {"type": "audio/pcm", "rate": int(named[1])}
        return PCM_FORMAT if name == _QWEN_PCM else None
    if ga != "audio/pcm":
        return {"type": ga}
    stated = integer(mapping(value).get("rate")) or rate or PCM_RATE
    return {"type": ga, "rate": stated if 1000 <= stated <= 384_000 else PCM_RATE}


def beta_name(format_: dict[str, Any] | None) -> str | None:
    """Return the name of an output format in the beta shape, or None for no format.

    PCM at 8 or 16 kHz gets Azure Voice Live's name, such as `pcm16_8000hz`.
    """
    if format_ is None:
        return None
    rate = format_.get("rate", PCM_RATE)
    return BETA_NAMES_BY_FORMAT[format_["type"]] + (f"_{rate}hz" if rate in _AZURE_RATES else "")


def bytes_per_ms(format_: dict[str, Any] | None) -> float:
    """Return the bytes of a millisecond of mono audio. None counts as PCM16 at 24 kHz."""
    if format_ is None:
        return PCM_RATE * 2 / 1000
    if format_["type"] == "audio/pcm":
        return float(format_["rate"]) * 2 / 1000
    return 8.0


def valid_rate(value: Any) -> int | None:
    """Return a sample rate that a note of the store tells, or None if it is no possible rate."""
    rate = integer(value)
    return rate if rate is not None and LOWEST_RATE <= rate <= HIGHEST_RATE else None


def rates_of_note(note: dict[str, Any]) -> SampleRates:
    """Return the sample rates that a note `eventstore.session.sample_rates` tells."""
    return SampleRates(valid_rate(note.get("input")), valid_rate(note.get("output")))


def at_rate(format_: dict[str, Any] | None, rate: int | None) -> dict[str, Any] | None:
    """Return a format with a sample rate that was told, if it is PCM or unknown.

    Args:
        format_: The format, or None if it is unknown, and so taken for PCM.
        rate: The sample rate, or None to return the format as it is.
    """
    if rate is None or (format_ or PCM_FORMAT)["type"] != "audio/pcm":
        return format_
    return {"type": "audio/pcm", "rate": rate}


def input_format(session: dict[str, Any]) -> dict[str, Any] | None:
    """Return the format of the user's audio from a session's configuration, or None if unknown."""
    rate = integer(session.get("input_audio_sampling_rate")) or _rate_of_pcm16(session)
    return ga_format(_ga_shape(session, "input")) or ga_format(
        session.get("input_audio_format"), rate
    )


def _ga_shape(session: dict[str, Any], side: str) -> Any:
    """Return the format of the `input` or `output` as it is stated, or None.

    A session of GPT-Live states one format for both.
    """
    audio = mapping(session.get("audio"))
    return mapping(audio.get(side)).get("format") or audio.get("format")


def _rate_of_pcm16(session: dict[str, Any]) -> int | None:
    """Return the rate that `pcm16` means in a session of Qwen's servers, or None for other servers.

    Qwen's servers are recognised by the model's name, or by the format `pcm24`.
    """
    formats = (session.get("input_audio_format"), session.get("output_audio_format"))
    is_qwen = _QWEN_PCM in formats or (text(session.get("model")) or "").lower().startswith("qwen")
    return _QWEN_RATE if is_qwen else None


def output_format(session: dict[str, Any]) -> dict[str, Any] | None:
    """Return the format of the model's audio from a session or response, or None if unknown."""
    return ga_format(_ga_shape(session, "output")) or ga_format(session.get("output_audio_format"))


def stated_input_format(
    session: dict[str, Any], rates: SampleRates = NO_SAMPLE_RATES
) -> dict[str, Any]:
    """Return the format of the user's audio: PCM if the session states none.

    Args:
        session: The session's configuration.
        rates: The sample rates that an import told.

    Returns:
        The format, or `UNKNOWN_FORMAT` if the session states a format that is not known.
    """
    stated = _ga_shape(session, "input") or session.get("input_audio_format")
    format_ = input_format(session) or (UNKNOWN_FORMAT if stated else PCM_FORMAT)
    return at_rate(format_, rates.input) or format_


def stated_output_format(
    session: dict[str, Any], rates: SampleRates = NO_SAMPLE_RATES
) -> dict[str, Any]:
    """Return the format of the model's audio, with the rules of `stated_input_format`."""
    stated = _ga_shape(session, "output") or session.get("output_audio_format")
    format_ = output_format(session) or (UNKNOWN_FORMAT if stated else PCM_FORMAT)
    return at_rate(format_, rates.output) or format_
