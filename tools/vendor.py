"""Downloads the web pages' JavaScript libraries from the npm registry: `python -m tools.vendor`.

`vendor.json` names their versions, licences and files. The script needs npm.
"""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import click

from eventstore.web.pages.assets import STATIC_FOLDER

VENDOR = STATIC_FOLDER / "vendor"


@click.command()
def main() -> None:
    """Replace the files of the pages' libraries by the files of their npm packages."""
    listed: dict[str, Any] = json.loads((VENDOR / "vendor.json").read_text("utf-8"))
    for name, package in listed.items():
        with tempfile.TemporaryDirectory() as scratch:
            _take(f"{name}@{package['version']}", package["files"], Path(scratch))


def _take(package: str, files: dict[str, str], scratch: Path) -> None:
    packed = subprocess.run(
        ["npm", "pack", "--silent", package],
        cwd=scratch,
        check=True,
        capture_output=True,
        text=True,
    )
    with tarfile.open(scratch / packed.stdout.split()[-1]) as content:
        for inside, outside in files.items():
            member = content.extractfile(f"package/{inside}")
            if member is None:
                raise SystemExit(f"{package} has no file {inside}")
            (VENDOR / outside).write_bytes(member.read())


if __name__ == "__main__":
    main()
