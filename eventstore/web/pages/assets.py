"""The pages' scripts, styles and libraries, out of the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).with_name("static")


class Assets(StaticFiles):
    """Files that browsers keep, and ask whether they are still the same."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    def file_response(self, *given: Any, **named: Any) -> Response:
        """A file, or that it has not changed."""
        response = super().file_response(*given, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response
