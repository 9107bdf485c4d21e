"""Writes the tables of docs/benchmarks.md: `python -m benchmarks.page`. Called by `make docs`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.page.marks import written

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def write_page() -> None:
    """Write the tables of the page from the figures that are kept."""
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    try:
        write_page()
    except ValueError as error:
        raise SystemExit(f"Error: {PAGE.name}: {error}") from None
