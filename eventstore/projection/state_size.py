"""Estimate the memory that a session's state takes.

Called by store/readmodels/states/state_cache.py, which limits the memory of all cached states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventstore.common.memory_size import memory_size

if TYPE_CHECKING:
    from eventstore.projection.state import SessionState

#: How many bytes a state keeps of an event besides its text, about.
OF_EVENT = 100

# A state is measured again when the text folded since then exceeds three times its size, and this
# many bytes.
_WORTH_MEASURING = 1 << 20


def state_size(state: SessionState, most: int) -> int:
    """Return an estimate of the bytes that a state takes, and remember it in the state.

    Measuring is slow, so that it is done seldom. Between two measurements, the estimate grows by
    the length of the text of each event that was folded, which is more than the state keeps of it.
    Of a delta that only makes a text longer (growing.py), that is the length of the delta.

    Args:
        state: The state.
        most: The largest size that matters to the caller. A larger state may have any result
            above this one.
    """
    if state.measured is None or state.folded > max(_WORTH_MEASURING, 3 * state.measured):
        state.measured, state.folded = memory_size(state, most), 0
    return state.measured + state.folded
