"""Writes the pages as Sphinx reads them: all in one folder, and with links that hold there.

In the repository a page links to files as they lie there, README.md to `docs/query.md` for example.
The text of a page is changed in three ways, outside of code: links go to the places of the site, an
`<a id="…">` becomes an id that Sphinx knows, and a page that others stand below gets their list.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath

from tools.docs_site.pages import DECISIONS, HOME, Section, decisions, navigation, places

#: Code stays as it is: fenced blocks, and code within a line.
_CODE = re.compile(r"(?ms)^ *(?P<fence>`{3,}).*?^ *(?P=fence) *$|`[^`\n]+`")
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<to>[^)\s]+)\)")
_PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<to>[^)\s]+)\)")
_NAMED = re.compile(r'<a id="([\w-]+)"></a>')


def write_sources(root: Path, folder: Path) -> None:
    """Write all pages and pictures of the site.

    Args:
        root: The repository.
        folder: An empty folder to write into.
    """
    where = places(root)
    sections = navigation(root)
    for path, place in where.items():
        if path == DECISIONS:
            text = _list_of_decisions(root)
        else:
            text = site_text((root / path).read_text(encoding="utf-8"), path, where, root)
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + _lists_below(path, sections, where), encoding="utf-8")
    for file in (root / "docs").rglob("*"):
        if file.is_file() and file.suffix not in (".md", ".toml"):
            _copy(file, folder / file.relative_to(root / "docs"))
    for name in _files_elsewhere(root, where):
        _copy(root / name, folder / "files" / name)


def site_text(text: str, path: str, where: dict[str, str], root: Path) -> str:
    """Return a page's text with the links of the site.

    Args:
        text: The text in the repository.
        path: The page's file, seen from the repository's root.
        where: The places of pages on the site.
        root: The repository.

    Returns:
        The text for Sphinx. A link to a folder that is no page is its words alone.
    """
    codes: list[str] = []

    def kept(match: re.Match[str]) -> str:
        codes.append(match[0])
        return f"\0{len(codes) - 1}\0"

    def linked(match: re.Match[str]) -> str:
        target = _target(match["to"], path, where, root)
        return f"{match['text']}" if target is None else f"[{match['text']}]({target})"

    def shown(match: re.Match[str]) -> str:
        return f"![{match['text']}]({_target(match['to'], path, where, root)})"

    text = _CODE.sub(kept, text)
    text = _NAMED.sub(r"[]{#\1}", _PICTURE.sub(shown, _LINK.sub(linked, text)))
    return re.sub("\0(\\d+)\0", lambda match: codes[int(match[1])], text)


def _target(link: str, path: str, where: dict[str, str], root: Path) -> str | None:
    """Return where a link of a page leads on the site; None if the site has nothing there."""
    name, hash_, anchor = link.partition("#")
    if not name or "://" in name or name.startswith("mailto:"):
        return link
    file = _in_repository(name, path)
    here = PurePosixPath(where[path]).parent
    if file in where:
        place = where[file]
    elif file.startswith("docs/"):
        place = file.removeprefix("docs/")
    else:
        place = f"files/{file}"
    if file not in where and not (root / file).is_file():
        return None if (root / file).is_dir() else link
    return relpath(place, here) + hash_ + anchor


def _in_repository(name: str, path: str) -> str:
    return normpath(PurePosixPath(path).parent / name)


def _files_elsewhere(root: Path, where: dict[str, str]) -> set[str]:
    """Return the files outside of docs/ that pages link to, such as configurations to download."""
    found = set()
    for path in where:
        if path == DECISIONS:
            continue
        text = _CODE.sub("", (root / path).read_text(encoding="utf-8"))
        names = (match["to"].partition("#")[0] for match in _LINK.finditer(text))
        files = {_in_repository(name, path) for name in names if name and "://" not in name}
        found |= {
            file for file in files if file not in where and not file.startswith(("docs/", ".."))
        }
    return {file for file in found if (root / file).is_file()}


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def _list_of_decisions(root: Path) -> str:
    lines = [
        "# Decisions",
        "",
        "Each page says what was chosen between alternatives, what was measured, and why.",
        "",
    ]
    for path in decisions(root):
        title = (root / path).read_text(encoding="utf-8").partition("\n")[0]
        words = re.sub(r"^# (\d+\.? )?", "", title)
        file = PurePosixPath(path).name
        lines.append(f"- [{file[:4]}: {words}]({file})")
    names = [PurePosixPath(path).stem for path in decisions(root)]
    return "\n".join([*lines, "", _toctree("", names), ""])


def _lists_below(path: str, sections: list[Section], where: dict[str, str]) -> str:
    """Return the lists of pages that stand below a page in the navigation, as Sphinx has them."""
    here = PurePosixPath(where[path]).parent
    found = []
    for section in sections:
        if section.parent == path or (path == HOME and not section.parent):
            lines = [f"{label} <{_document(where[name], here)}>" for name, label in section.entries]
            found.append(_toctree(section.title, lines))
    return "".join(f"\n{one}\n" for one in found)


def _document(place: str, here: PurePosixPath) -> str:
    return relpath(PurePosixPath(place).with_suffix(""), here)


def _toctree(title: str, lines: list[str]) -> str:
    caption = f":caption: {title}\n" if title else ""
    return f"```{{toctree}}\n:hidden:\n:titlesonly:\n{caption}\n" + "\n".join(lines) + "\n```"
