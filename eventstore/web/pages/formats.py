"""How pages write numbers and times. Pure."""

from __future__ import annotations

from typing import Any


def count(value: Any) -> str:
    """A whole number with separators; empty where there is none."""
    return f"{value:,}" if isinstance(value, int | float) else ""


def clock(ms: Any) -> str:
    """Milliseconds as `1:02` or `1:02:03`; empty where unknown."""
    if not isinstance(ms, int | float):
        return ""
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds(ms: Any) -> str:
    """Milliseconds as `0.49 s`; empty where unknown."""
    return f"{ms / 1000:.2f} s" if isinstance(ms, int | float) else ""


def money(usd: Any) -> str:
    """Dollars: two digits that say something, and cents from a dollar on; empty where unknown."""
    if not isinstance(usd, int | float):
        return ""
    if 0 < usd < 0.00005:
        return "<$0.0001"
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def day_and_time(value: Any) -> str:
    """An ISO time as `2026-05-04 09:30:00`, UTC; empty where unknown."""
    return str(value).replace("T", " ")[:19] if value else ""
