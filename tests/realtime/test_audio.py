"""What audio is sent and comes in, by the names that servers have for formats."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore.realtime.audio import input_format, output_format

QWEN = {"model": "qwen3-omni-flash-realtime", "input_audio_format": "pcm16"}


@pytest.mark.parametrize(
    ("session", "sent", "came"),
    [
        ({"input_audio_format": "pcm16", "output_audio_format": "pcm16"}, 24_000, 24_000),
        ({"input_audio_format": "pcm16", "output_audio_format": "pcm24"}, 16_000, 24_000),
        ({**QWEN, "output_audio_format": "pcm24"}, 16_000, 24_000),
        ({**QWEN, "output_audio_format": "pcm16"}, 16_000, 24_000),
        ({**QWEN, "input_audio_format": "pcm16-8000hz"}, 8_000, None),
        ({**QWEN, "input_audio_sampling_rate": 48_000}, 48_000, None),
        ({"input_audio_format": "pcm16", "output_audio_format": "pcm16_8000hz"}, 24_000, 8_000),
        ({"model": 7, "input_audio_format": "pcm16"}, 24_000, None),
    ],
)
def test_rates(session: dict[str, Any], sent: int, came: int | None) -> None:
    assert (input_format(session) or {})["rate"] == sent
    assert (output_format(session) or {}).get("rate") == came
