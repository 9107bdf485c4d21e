"""Find where speech of a GPT-Live session ends in the sound of its side.

The server tells words in fragments of 0.2 seconds. The last fragment of an item ends with the step
of the server in which its last word began, and the word often sounds on. Called by selection.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from eventstore.sound.rendering import ReadSounds, Silence, mix, render
from eventstore.sound.timeline.layout import Stretch

#: The most that a word may sound on after the end that the server told, in seconds.
MOST_AFTER = 1.5

# Loudness is measured in windows of this length, in seconds. A word has no pause as long as
# `_PAUSE` in it. What is cut out goes on a little into the pause, where the word dies away.
_WINDOW, _PAUSE, _FADING = 0.02, 0.2, 0.1
# A window is quiet if it is 30 dB below the loudest one of the last seconds, or almost silent. A
# microphone is never silent.
_LOOK_BACK, _QUIET, _SILENT = 3.0, 0.03, 0.002
_RATE = 16_000


def speech_end(
    track: Iterable[Stretch], start: float, end: float, latest: float, read: ReadSounds
) -> float:
    """Return where speech ends: where the first pause begins at its told end, or after that.

    Args:
        track: The sound of the speaker's side.
        start, end: Where the server says that the speech is, in seconds.
        latest: Where it ends at the latest. Without a pause before that, it ends there.
        read: Reads the bytes of chunks.
    """
    before = math.floor(min(end - start, _LOOK_BACK) / _WINDOW)
    after = math.ceil((latest - end) / _WINDOW)
    if after <= 0:
        return end
    samples = round(_WINDOW * _RATE)
    begin, count = end - before * _WINDOW, (before + after) * samples
    first = round(begin * _RATE)
    pieces = render(track, _RATE, begin, latest, read)
    sound = next(mix([[pieces]], first, first + count, count))
    if isinstance(sound, Silence):
        return end
    levels = np.sqrt(np.mean(np.square(sound.reshape(-1, samples)), axis=1))
    quiet = levels < max(_SILENT, _QUIET * float(levels.max()))
    pause = round(_PAUSE / _WINDOW)
    for place in range(before, before + after - pause + 1):
        if quiet[place : place + pause].all():
            sounds_on = (place - before) * _WINDOW
            return min(end + sounds_on + _FADING, latest) if sounds_on else end
    return latest
