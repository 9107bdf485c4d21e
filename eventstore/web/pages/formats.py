"""Formats numbers and times for the pages: the filters of their templates. Pure."""

from __future__ import annotations

from typing import Any


def count(value: Any) -> str:
    """Return a whole number with separators, such as `1,204`; empty if there is none."""
    return f"{value:,}" if isinstance(value, int | float) else ""


def clock(ms: Any) -> str:
    """Return milliseconds as `1:02` or `1:02:03`; empty if they are unknown."""
    if not isinstance(ms, int | float):
        return ""
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def tenths(ms: Any) -> str:
    """Return milliseconds as `1:02.3`; empty if they are unknown."""
    if not isinstance(ms, int | float):
        return ""
    told = max(0, round(ms / 100))
    return f"{told // 600}:{told % 600 / 10:04.1f}"


def seconds(ms: Any) -> str:
    """Return milliseconds as `0.49 s`; empty if they are unknown."""
    return f"{ms / 1000:.2f} s" if isinstance(ms, int | float) else ""


def money(usd: Any) -> str:
    """Return US dollars with two decimals, or with four below one dollar; empty if unknown."""
    if not isinstance(usd, int | float):
        return ""
    if 0 < usd < 0.00005:
        return "<$0.0001"
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def day_and_time(value: Any) -> str:
    """Return an ISO time in UTC as `2026-05-04 09:30:00`; empty if it is unknown."""
    return str(value).replace("T", " ")[:19] if value else ""
