"""Node clients, and tests that need them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NODE = Path(__file__).resolve().parents[1] / "node"


pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules").is_dir(),
    reason="no Node, or its packages are not installed: make test does so where npm is",
)
