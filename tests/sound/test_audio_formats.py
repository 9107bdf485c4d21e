"""Decoding: G.711 by the standard's own rules, PCM to the bit, base64 that may be broken."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.sound.audio_formats import (
    G711,
    decode_base64,
    rate,
    silence,
    to_pcm,
    to_samples,
    width,
)

PCM = {"type": "audio/pcm", "rate": 24_000}


def ulaw_value(code: int) -> int:
    """G.711 table 2, 14 bits: in segment s 16 intervals 2^(s+1) wide, behind a bias of 33."""
    code ^= 0xFF
    segment, interval = code >> 4 & 7, code & 15
    magnitude = (2 * interval + 33) * 2**segment - 33
    return 4 * (-magnitude if code & 0x80 else magnitude)


def alaw_value(code: int) -> int:
    """G.711 table 1: two linear segments, then each twice as coarse (13 bits)."""
    code ^= 0x55
    segment, interval = code >> 4 & 7, code & 15
    magnitude = 2 * interval + 1 if segment == 0 else (2 * interval + 33) * 2 ** (segment - 1)
    return 8 * (magnitude if code & 0x80 else -magnitude)


@pytest.mark.parametrize(
    ("law", "value", "loudest"),
    [("audio/pcmu", ulaw_value, 32124), ("audio/pcma", alaw_value, 32256)],
)
def test_each_g711_code_is_the_standards_value(law: str, value: object, loudest: int) -> None:
    decoded = to_pcm(to_samples(bytes(range(256)), {"type": law}))
    assert decoded.tolist() == [value(code) for code in range(256)]  # type: ignore[operator]
    assert (decoded.max(), decoded.min()) == (loudest, -loudest)
    assert abs(int(G711[law][silence({"type": law})[0]])) <= 8


@given(st.binary())
def test_pcm_comes_out_as_it_went_in(sound: bytes) -> None:
    pcm = to_pcm(to_samples(sound, PCM))
    assert pcm.astype("<i2").tobytes() == sound[: len(sound) // 2 * 2]


def test_what_is_too_loud_is_clipped() -> None:
    assert to_pcm(np.array([2.0, -2.0, 1.0], np.float32)).tolist() == [32767, -32768, 32767]


@given(st.binary())
def test_base64_is_decoded_with_its_padding_or_without(sound: bytes) -> None:
    encoded = base64.b64encode(sound).decode()
    assert decode_base64(encoded) == decode_base64(encoded.rstrip("=")) == sound


@pytest.mark.parametrize("broken", ["A", "no audio!", "AAAA=AAA", "é", "\ud83d", None, 7, [], {}])
def test_broken_base64_is_no_sound(broken: object) -> None:
    assert decode_base64(broken) == b""


def test_a_format_has_a_rate_and_a_width() -> None:
    assert [(rate(one), width(one)) for one in (PCM, {"type": "audio/pcma"})] == [
        (24_000, 2),
        (8000, 1),
    ]
    assert rate({"type": "audio/pcm", "rate": 11_025}) == 11_025
