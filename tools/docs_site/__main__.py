"""Builds the site of the docs: `python -m tools.docs_site build/site`.

Called by `make site`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from sphinx.cmd.build import main as sphinx_build

from tools.docs_site.pages import problems
from tools.docs_site.sources import write_sources

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).parent


def build(root: Path, folder: Path) -> int:
    """Build the site.

    Args:
        root: The repository.
        folder: Where its pages are written.

    Returns:
        0, or another number if Sphinx has warned of anything.
    """
    with tempfile.TemporaryDirectory() as temporary:
        sources, doctrees = Path(temporary) / "docs", Path(temporary) / "doctrees"
        write_sources(root, sources)
        options = ["-q", "-E", "-W", "--keep-going", "-b", "html", "-j", "auto"]
        places = ["-c", str(CONFIGURATION), "-d", str(doctrees), str(sources), str(folder)]
        return sphinx_build([*options, *places])


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def main(folder: Path) -> None:
    """Build the site of the docs into FOLDER; any warning fails."""
    found = problems(ROOT)
    if found:
        raise click.ClickException("\n".join(found))
    sys.exit(build(ROOT, folder))


if __name__ == "__main__":
    main()
