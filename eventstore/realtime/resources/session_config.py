"""Make the `session.update` with which a client gives a session's configuration to a new session.

Called by reseeds (replay/reseed). The sources are untrusted objects of the wire, in the
beta shape, the GA shape or both at once. These are left out:

- values that the wanted shape cannot express;
- nulls and empty lists, which a new session has by default, except a turn detection that is off;
- the model, because no update can change it;
- credentials.

Shapes: `openai.types.realtime` (GA) and `openai.types.beta.realtime` (beta).
"""

from __future__ import annotations

from typing import Any, Literal

from eventstore.realtime.audio import (
    BETA_NAMES_BY_FORMAT,
    PCM_RATE,
    beta_name,
    input_format,
    output_format,
)
from eventstore.realtime.resources.dialects import response_config, voice_of
from eventstore.realtime.resources.session_tools import (
    beta_tool_choice,
    beta_tools,
    ga_tool_choice,
    ga_tools,
)
from eventstore.realtime.values import (
    integer,
    mapping,
    non_empty,
    number,
    one_of,
    sequence,
    text,
    text_entries,
)

#: The dialects that a client can speak.
ClientDialect = Literal["beta", "ga"]
CLIENT_DIALECTS: tuple[ClientDialect, ...] = ("beta", "ga")

_DETECTIONS = frozenset({"server_vad", "semantic_vad"})
_EAGERNESS = frozenset({"low", "medium", "high", "auto"})
_NOISE = frozenset({"near_field", "far_field"})
_EFFORTS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
_LOGPROBS = "item.input_audio_transcription.logprobs"
_DELAYS = frozenset({"minimal", "low", "medium", "high", "xhigh"})
_BETA_TRANSCRIBERS = frozenset({"gpt-4o-transcribe", "gpt-4o-mini-transcribe", "whisper-1"})

Json = dict[str, Any]


def is_translation(session: Json) -> bool:
    """Return True if a session is a translation, which has no conversation and other events."""
    return session.get("type") == "translation"


def session_update(session: Json, dialect: ClientDialect) -> Json | None:
    """Return the client event that gives a new session the configuration of another session.

    Args:
        session: The session as a server described it, or as a client asked for it.
        dialect: The shape of the event.

    Returns:
        The event, or None if the session has nothing that a client could send.
    """
    if is_translation(session):
        return None
    transcribes = session.get("type") == "transcription" or (
        session.get("object") == "realtime.transcription_session"
    )
    type_ = "session.update"
    if dialect == "beta":
        config = _beta_transcription(session) if transcribes else _beta(session)
        type_ = "transcription_session.update" if transcribes else type_
    else:
        config = _ga_transcription(session) if transcribes else _ga(session)
    if not config:
        return None
    kind = {"type": "transcription" if transcribes else "realtime"} if dialect == "ga" else {}
    return {"type": type_, "session": {**kind, **config}}


def _side(session: Json, side: str) -> Json:
    return mapping(mapping(session.get("audio")).get(side))


# GA


def _ga(session: Json) -> Json:
    config = response_config(session)
    modalities = sequence(config["modalities"])
    output = {
        "format": _ga_format(output_format(session)),
        "voice": _ga_voice(session, config["voice"]),
        "speed": _speed(session),
    }
    parallel = session.get("parallel_tool_calls")
    return non_empty(
        {
            "instructions": text(session.get("instructions")),
            "output_modalities": ["audio"] if "audio" in modalities else modalities,
            "audio": non_empty({"input": _ga_input(session), "output": non_empty(output)}),
            "tools": ga_tools(session),
            "tool_choice": ga_tool_choice(session),
            "parallel_tool_calls": parallel if isinstance(parallel, bool) else None,
            "max_output_tokens": _limit(config["max_output_tokens"]),
            "reasoning": non_empty(
                {"effort": one_of(mapping(session.get("reasoning")).get("effort"), _EFFORTS)}
            ),
            "prompt": _prompt(mapping(session.get("prompt"))),
            "tracing": _tracing(session.get("tracing")),
            "truncation": _truncation(session.get("truncation")),
            "include": _ga_include(session),
        }
    )


def _ga_transcription(session: Json) -> Json:
    audio = non_empty({"input": _ga_input(session)})
    return non_empty({"audio": audio, "include": _ga_include(session)})


def _ga_include(session: Json) -> list[str]:
    return [_LOGPROBS] if _LOGPROBS in sequence(session.get("include")) else []


def _ga_input(session: Json) -> Json:
    fields = {
        "format": _ga_format(input_format(session)),
        "transcription": _ga_transcriber(_transcription(session)),
        "noise_reduction": non_empty(
            {**_noise_reduction(session), "strength": number(_noise(session).get("strength"))}
        ),
    }
    return non_empty(fields) | _turn_detection(session, "ga")


def _ga_format(format_: Json | None) -> Json | None:
    """Return a format without its rate if the GA shape does not allow the rate."""
    if format_ is not None and format_.get("rate") not in (None, PCM_RATE):
        return {"type": format_["type"]}
    return format_


def _ga_voice(session: Json, name: str | None) -> str | Json | None:
    """Return a voice's name, or an object with the id of a custom voice."""
    voice = _side(session, "output").get("voice")
    if voice_of(voice) is None:
        voice = session.get("voice")
    custom = text(mapping(voice).get("id"))
    return {"id": custom} if custom and text(mapping(voice).get("name")) is None else name


def _ga_transcriber(transcription: Json) -> Json:
    return non_empty(
        {
            "model": text(transcription.get("model")),
            "language": text(transcription.get("language")),
            "languages": text_entries(transcription.get("languages")),
            "prompt": text(transcription.get("prompt")),
            "keywords": text_entries(transcription.get("keywords")),
            "delay": one_of(transcription.get("delay"), _DELAYS),
        }
    )


def _prompt(prompt: Json) -> Json | None:
    """Return a prompt template with its id, version, and those variables that are texts."""
    id_ = text(prompt.get("id"))
    if not id_:
        return None
    given = mapping(prompt.get("variables"))
    variables = {key: value for key, value in given.items() if isinstance(value, str)}
    return {"id": id_} | non_empty({"version": text(prompt.get("version")), "variables": variables})


def _truncation(value: Any) -> str | Json | None:
    ratio = number(mapping(value).get("retention_ratio"))
    if ratio is None:
        return one_of(value, frozenset({"auto", "disabled"}))
    limits = mapping(mapping(value).get("token_limits"))
    limit = non_empty({"post_instructions": integer(limits.get("post_instructions"))})
    return {"type": "retention_ratio", "retention_ratio": ratio} | non_empty(
        {"token_limits": limit}
    )


# Beta


def _beta(session: Json) -> Json:
    config = response_config(session)
    modalities = sequence(config["modalities"])
    temperature = config["temperature"]
    return non_empty(
        {
            "modalities": ["text", "audio"] if "audio" in modalities else modalities,
            "instructions": text(session.get("instructions")),
            "voice": config["voice"],
            "input_audio_format": _beta_format(input_format(session)),
            "output_audio_format": beta_name(output_format(session)),
            "input_audio_transcription": _beta_transcriber(_transcription(session)),
            "input_audio_noise_reduction": _noise_reduction(session),
            "tools": beta_tools(session),
            "tool_choice": beta_tool_choice(session),
            "temperature": temperature if 0.6 <= (temperature or 0) <= 1.2 else None,
            "max_response_output_tokens": _limit(config["max_output_tokens"]),
            "speed": _speed(session),
            "tracing": _tracing(session.get("tracing")),
        }
    ) | _turn_detection(session, "beta")


def _beta_transcription(session: Json) -> Json:
    transcriber = _beta_transcriber(_transcription(session))
    if transcriber.get("model") not in _BETA_TRANSCRIBERS:
        transcriber.pop("model", None)
    return non_empty(
        {
            "input_audio_format": _beta_format(input_format(session)),
            "input_audio_transcription": transcriber,
            "input_audio_noise_reduction": _noise_reduction(session),
            "include": text_entries(session.get("include")),
        }
    ) | _turn_detection(session, "beta")


def _beta_format(format_: Json | None) -> str | None:
    return None if format_ is None else BETA_NAMES_BY_FORMAT[format_["type"]]


def _beta_transcriber(transcription: Json) -> Json:
    keys = ("model", "language", "prompt")
    return non_empty({key: text(transcription.get(key)) for key in keys})


# Both


def _turn_detection(session: Json, dialect: ClientDialect) -> Json:
    """Return the field `turn_detection`, with null if it is off; an empty dict if it is unknown."""
    heard = _side(session, "input")
    source = heard if "turn_detection" in heard else session
    if "turn_detection" not in source:
        return {}
    detection = mapping(source["turn_detection"])
    # xAI writes `{"type": null}` if the detection is off.
    if source["turn_detection"] is None or ("type" in detection and detection["type"] is None):
        return {"turn_detection": None}
    kind = one_of(detection.get("type"), _DETECTIONS)
    if kind is None:
        return {}
    fields: Json = {"type": kind}
    for key in ("create_response", "interrupt_response"):
        fields[key] = detection.get(key) if isinstance(detection.get(key), bool) else None
    if kind == "semantic_vad":
        fields["eagerness"] = one_of(detection.get("eagerness"), _EAGERNESS)
    else:
        fields["threshold"] = number(detection.get("threshold"))
        fields["prefix_padding_ms"] = integer(detection.get("prefix_padding_ms"))
        fields["silence_duration_ms"] = integer(detection.get("silence_duration_ms"))
        if dialect == "ga":
            fields["idle_timeout_ms"] = integer(detection.get("idle_timeout_ms"))
    return {"turn_detection": non_empty(fields)}


def _transcription(session: Json) -> Json:
    heard = mapping(_side(session, "input").get("transcription"))
    return heard or mapping(session.get("input_audio_transcription"))


def _noise(session: Json) -> Json:
    heard = mapping(_side(session, "input").get("noise_reduction"))
    return heard or mapping(session.get("input_audio_noise_reduction"))


def _noise_reduction(session: Json) -> Json:
    return non_empty({"type": one_of(_noise(session).get("type"), _NOISE)})


def _speed(session: Json) -> float | None:
    speed = number(_side(session, "output").get("speed"))
    return speed if speed is not None else number(session.get("speed"))


def _limit(limit: Any) -> int | str | None:
    return limit if limit == "inf" or (isinstance(limit, int) and limit > 0) else None


def _tracing(value: Any) -> str | Json | None:
    if value == "auto":
        return "auto"
    tracing = mapping(value)
    return non_empty(
        {
            "workflow_name": text(tracing.get("workflow_name")),
            "group_id": text(tracing.get("group_id")),
            "metadata": mapping(tracing.get("metadata")),
        }
    )
