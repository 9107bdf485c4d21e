"""Debian's Chromium. Without a screen it takes a third of the time, so that one goes first."""

from __future__ import annotations

import shutil

#: The program; None where there is none.
CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium")
