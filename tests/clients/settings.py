"""The configuration of a scripted session, in the GA's shape or in the flat one before it."""

from __future__ import annotations

import copy
from typing import Any

_PCM = {"type": "audio/pcm", "rate": 24000}
_DETECTION = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 300,
    "create_response": True,
    "interrupt_response": True,
}
_GA = {
    "type": "realtime",
    "object": "realtime.session",
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "tracing": None,
    "truncation": "auto",
    "prompt": None,
    "audio": {
        "input": {
            "format": _PCM,
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {**_DETECTION, "idle_timeout_ms": None},
        },
        "output": {"format": _PCM, "voice": "alloy", "speed": 1.0},
    },
}
_FLAT = {
    "object": "realtime.session",
    "modalities": ["audio", "text"],
    "instructions": "",
    "voice": "alloy",
    "input_audio_format": "pcm16",
    "output_audio_format": "pcm16",
    "input_audio_transcription": None,
    "turn_detection": _DETECTION,
    "tools": [],
    "tool_choice": "auto",
    "temperature": 0.8,
    "max_response_output_tokens": "inf",
}


class Settings:
    """What a client has configured, over what a server has by itself.

    Args:
        flat: whether the session speaks the shape before the GA's.
    """

    def __init__(self, session_id: str, model: str, flat: bool) -> None:
        own = copy.deepcopy(_FLAT if flat else _GA)
        self.told: dict[str, Any] = {**own, "id": session_id, "model": model}
        self._flat = flat

    def update(self, session: dict[str, Any]) -> None:
        """Take over what a client's `session.update` names."""
        _merge(self.told, session)

    def speaks(self, request: dict[str, Any]) -> bool:
        """Whether an answer is spoken, by the request for it or by the session."""
        key = "modalities" if self._flat else "output_modalities"
        return "audio" in (request.get(key) or self.told[key])

    @property
    def tools(self) -> list[dict[str, Any]]:
        """The functions that an answer may call."""
        return self.told["tools"] or []

    @property
    def detection(self) -> dict[str, Any] | None:
        """How turns are detected; None where the client commits them."""
        return self.told["turn_detection"] if self._flat else self._input["turn_detection"]

    @property
    def transcribes(self) -> bool:
        """Whether a user's speech is written down."""
        key = "input_audio_transcription"
        return bool(self.told[key] if self._flat else self._input["transcription"])

    def is_ulaw(self, way: str) -> bool:
        """Whether audio of a way, input or output, is G.711's mu-law, as on a telephone."""
        if self._flat:
            return bool(self.told[f"{way}_audio_format"] == "g711_ulaw")
        return bool(self.told["audio"][way]["format"]["type"] == "audio/pcmu")

    @property
    def rate(self) -> int:
        """Samples a second of the audio that comes."""
        if self.is_ulaw("input"):
            return 8000
        if self._flat:
            return int(self.told.get("input_audio_sampling_rate") or 24000)
        return int(self._input["format"].get("rate") or 24000)

    @property
    def _input(self) -> dict[str, Any]:
        found: dict[str, Any] = self.told["audio"]["input"]
        return found


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if key != "format" and isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
