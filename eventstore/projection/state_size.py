"""How many bytes of memory a session's state takes: state_cache.py keeps states by it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from sys import getsizeof
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eventstore.projection.state import SessionState

# A state is measured again when what was folded since is as large as it was, and at least this.
_WORTH_MEASURING = 1 << 20


def state_size(state: SessionState, most: int) -> int:
    """Return about how many bytes a state takes, and remember it in the state.

    A state is measured now and then; between two measurements it counts as grown by all the text
    that was folded, which is more than it keeps.

    Args:
        most: a size beyond which nobody asks how large it is; the result may then be any such.
    """
    if state.measured is None or state.folded > max(_WORTH_MEASURING, state.measured):
        state.measured, state.folded = _measured(state, most), 0
    return state.measured + state.folded


def _measured(state: SessionState, most: int) -> int:
    """The bytes of a value and of all that it holds, each counted once; it stops behind `most`."""
    total, seen, left = 0, set(), [state]
    while left and total <= most:
        value: Any = left.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        total += getsizeof(value)
        if isinstance(value, dict):
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            left.extend(value)
        elif is_dataclass(value):
            left.extend(getattr(value, field.name) for field in fields(value))
    return total
