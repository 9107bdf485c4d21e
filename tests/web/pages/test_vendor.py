"""Unit: the libraries that pages carry are named, licensed, and complete."""

from __future__ import annotations

import json
import re

from eventstore.web.pages.assets import STATIC_FOLDER

VENDOR = STATIC_FOLDER / "vendor"


def test_every_file_is_of_a_named_package_and_every_package_has_its_licence() -> None:
    listed = json.loads((VENDOR / "vendor.json").read_text())
    files = {file for package in listed.values() for file in package["files"].values()}
    assert files | {"vendor.json"} == {path.name for path in VENDOR.iterdir()}
    for name, package in listed.items():
        licences = [file for file in package["files"].values() if file.endswith(".LICENSE.txt")]
        assert licences, name
        said = (VENDOR / licences[0]).read_text()
        assert package["licence"].split("-")[0] in said, name


def test_pages_load_nothing_from_elsewhere() -> None:
    ours = [
        *STATIC_FOLDER.glob("*.js"),
        *STATIC_FOLDER.glob("*.css"),
        *STATIC_FOLDER.parent.glob("templates/*"),
    ]
    for path in ours:
        for address in re.findall(r"""["'(](https?:)?//[^"')]+""", path.read_text()):
            assert not address, path
        imported = re.findall(r'(?:from|import) "([^"]+)"', path.read_text())
        for wanted in imported if path.suffix == ".js" else ():
            assert (STATIC_FOLDER / wanted).is_file(), (path, wanted)
        for wanted in re.findall(r'(?:src|href)="/static/([^"]+)"', path.read_text()):
            assert (STATIC_FOLDER / wanted).is_file(), (path, wanted)
