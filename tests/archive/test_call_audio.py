"""Files of sound: what is heard in them, and when."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from support.sound import answer, channels, clicks_in, in_order, microphone, opened

from eventstore import EventStore
from eventstore.archive.call_audio import DRIFT_BOUND_MS

HALF_HOUR = 1800.0


@pytest.mark.parametrize("drift", [100e-6, -100e-6])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_click_is_found_where_it_was_after_half_an_hour(
    store: EventStore, tmp_path: Path, drift: float, seed: int
) -> None:
    rng = random.Random(seed)
    # Muted for a while, pushed to talk, and from then on streamed.
    spans = [(1.0, 600.0), (620.0, 627.5), (640.0, 641.2), (655.0, HALF_HOUR)]
    said = [1.5, 599.5, 620.3, 627.0, 640.1, 655.5, *np.arange(30.25, 590, 60)]
    said += [*np.arange(700.4, 1790, 60), 1799.5]
    stalls = [(100.0, 101.5), (300.0, 304.0), (598.0, 598.7), (1200.0, 1212.0), (1790.0, 1790.4)]
    frames = [opened(), *microphone(rng, spans, said, drift, stalls)]
    answered = []
    for number, at in enumerate(np.arange(10.0, 1795, 45.0)):
        ms = rng.randrange(1500, 20_000)
        click = rng.uniform(100, ms - 100)
        frames += answer(at, ms, click, number)
        answered.append(at + click / 1000)
    store.append("call", in_order(frames))
    done = store.audio("call", tmp_path / "call.wav")
    assert done.timed and done.drift_bound_ms == DRIFT_BOUND_MS == 20
    (user, assistant), rate = channels(tmp_path / "call.wav")
    for samples, wanted in ((user, sorted(said)), (assistant, answered)):
        found = clicks_in(samples, rate)
        assert len(found) == len(wanted)
        worst = np.max(np.abs(np.array(found) - np.array(wanted)))
        print(worst)
        assert worst < DRIFT_BOUND_MS / 1000
