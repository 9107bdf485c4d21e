"""A terminal to run commands in."""

from __future__ import annotations

import pytest
from support.terminal import Terminal


@pytest.fixture
def bare_terminal() -> Terminal:
    """A terminal without a database."""
    return Terminal()
