"""Unit: the changelog tells of each version, and in each a user finds what concerns him."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from eventstore.common.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
#: The parts of a release, in the order in which a user needs them.
PARTS = ["When you upgrade", "Changed", "New", "Faster", "Fixed", "What was there before"]


def releases(text: str) -> dict[str, str]:
    """What each release says, by its heading, from the newest on."""
    _, *parts = re.split(r"(?m)^## (.+)$", text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def faults(text: str, version: str) -> list[str]:
    """What is wrong with a changelog."""
    found = []
    said = releases(text)
    dated = [name for name in said if name != "Unreleased"]
    if list(said)[:1] != ["Unreleased"] and not any(
        name.startswith(f"{version} (") for name in said
    ):
        found.append(f"no heading for {version}, and none for what is unreleased on top")
    found += [
        f"{name}: no version with a day"
        for name in dated
        if not re.fullmatch(r"\d+\.\d+\.\d+ \(\d{4}-\d\d-\d\d\)", name)
    ]
    numbers = [[int(part) for part in re.findall(r"\d+", name)[:3]] for name in dated]
    if numbers != sorted(numbers, reverse=True):
        found.append("the newest release is not on top")
    for name, release in said.items():
        parts = re.findall(r"(?m)^### (.+)$", release)
        if parts != [part for part in PARTS if part in parts]:
            found.append(f"{name}: its parts are {parts}")
        found += [
            f"{name}: nothing is below {heading.strip('# ')}"
            for heading in re.findall(r"(?m)^(#{3,} .+)\n+(?=## |### |\Z)", release)
        ]
    return found


def test_the_changelog_tells_of_this_version() -> None:
    assert faults((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), VERSION) == []


def test_the_steps_of_an_upgrade_name_the_schema_that_it_makes() -> None:
    newest = max(path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    release = next(iter(releases((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")).values()))
    steps = release.partition("### Changed")[0]
    assert re.findall(r"schema to (\d{4})", steps) == [newest]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("## Unreleased\n### New\n- a\n## 0.1.0 (2026-05-01)\n- b\n", None),
        ("## 0.1.0 (2026-05-01)\n### Fixed\n- b\n## 0.0.9 (2026-04-01)\n", None),
        ("## Unreleased\n", None),
        ("## 0.0.9 (2026-04-01)\n- b\n", "no heading for 0.1.0, and none"),
        ("## Unreleased\n## 0.1.0\n", "0.1.0: no version with a day"),
        ("## Unreleased\n## 0.0.9 (2026-04-01)\n## 0.1.0 (2026-05-01)\n", "the newest release"),
        ("## Unreleased\n### Fixed\n- a\n### New\n- b\n", "Unreleased: its parts are"),
        ("## Unreleased\n### News\n- a\n", "Unreleased: its parts are"),
        ("## Unreleased\n### New\n\n### Fixed\n- b\n", "Unreleased: nothing is below New"),
    ],
)
def test_what_is_wrong_with_a_changelog_is_named(text: str, fault: str | None) -> None:
    found = faults(f"# Changes\n{text}", "0.1.0")
    assert [one.startswith(fault or "") for one in found] == ([True] if fault else [])
