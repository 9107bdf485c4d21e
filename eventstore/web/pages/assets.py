"""Serves the pages' scripts, styles and libraries under `/static`, from the package's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response
from starlette.staticfiles import StaticFiles

STATIC_FOLDER = Path(__file__).with_name("static")


class Assets(StaticFiles):
    """Static files that browsers may cache, but must check for changes at each use."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC_FOLDER)

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        """Return a file, or the status 304 if the browser's copy is still the same."""
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response
