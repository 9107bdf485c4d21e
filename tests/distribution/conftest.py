"""The distributions of this checkout, built once."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.distributions import ROOT, built
from support.made_once import made_once


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and a source distribution."""
    return made_once(tmp_path_factory, "dist", lambda folder: built(ROOT, folder, "sdist", "wheel"))
