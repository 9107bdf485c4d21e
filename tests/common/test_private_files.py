"""What is made is private, whatever the umask; what is no plain file is not opened."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from support.terminal import Terminal, environment

from eventstore import EventStore, InvalidInputError, Recorder
from eventstore.capture.recorder.recover import spool_status
from eventstore.capture.recorder.spool.spool_format import (
    MAGIC,
    Entry,
    TargetSession,
    encode_entries,
    encode_target,
)
from eventstore.common.private_files import check_private_folder, make_private_file, open_private
from eventstore.realtime.frames import CLIENT, Frame

MAKES_ALL = """
import os, sys
os.umask(int(sys.argv[1], 8))
from pathlib import Path
from eventstore import EventStore, Recorder
from eventstore.capture.recorder.spool.spool import Spool
from eventstore.capture.recorder.spool.spool_format import TargetSession, Entry
from eventstore.realtime.frames import Frame
here = Path(sys.argv[2])
url = f"sqlite:///{here}/calls.db"
store = EventStore(url, keys=f"sqlite:///{here}/keys.db")
recorder = Recorder(store, here / "kept" / "spool")
session = recorder.session(None, "sess_a")
session.record("client", '{"type":"response.create"}')
session.committed().result()
session.close()
recorder.close()
store.seal("sess_a").raise_for_errors()
spool = Spool(here / "kept" / "spool")
spool.begin(TargetSession("k" * 24))
spool.append([Entry("k" * 24, 1, Frame("client", "x", 1))])
import json
print(json.dumps([[str(p.relative_to(here)), p.lstat().st_mode & 0o7777] for p in here.rglob("*")]))
"""


@pytest.mark.parametrize("umask", ["0", "0027"])
def test_what_is_made_is_private_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAKES_ALL, umask, str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    modes = dict(json.loads(done.stdout))
    kept = modes.pop("kept")  # the folder above the spool is made as usual
    assert umask != "0" or kept == 0o777
    assert modes.pop("kept/spool") == 0o700
    assert {"calls.db", "calls.db-wal", "calls.db-shm", "keys.db", "keys.db-wal"} <= modes.keys()
    assert {Path(name).suffix for name in modes} >= {".lock", ".journal", ".spool"}
    assert set(modes.values()) == {0o600}, modes


def test_a_store_that_is_there_keeps_its_mode_and_status_says_so(
    tmp_path: Path,
) -> None:
    path = tmp_path / "calls.db"
    url = f"sqlite:///{path}"
    with EventStore(url):
        pass
    terminal = Terminal()
    assert "\nopen " not in terminal("status", "--db", url).out
    path.chmod(0o640)
    with EventStore(url) as store:
        assert store.status()["open_to_others"][0] == str(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
    told = terminal("status", "--db", url).out
    assert f"open       other users may read or write it; run: chmod 600 {path}" in told


@pytest.mark.parametrize("url", ["sqlite:///file::memory:?uri=true", "sqlite://"])
def test_no_file_is_made_for_what_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with EventStore(url) as store:
        store.status()
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_private_where_a_link_says_that_it_is_to_be(tmp_path: Path) -> None:
    link, path = tmp_path / "calls.db", tmp_path / "elsewhere.db"
    link.symlink_to(path)
    before = os.umask(0)
    try:
        with EventStore(f"sqlite:///{link}") as store:
            store.append("a", [Frame(CLIENT, "x")])
            modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob("elsewhere.db*")}
    finally:
        os.umask(before)
    assert modes == {0o600}


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_spool_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(mode)
    url = f"sqlite:///{tmp_path}/calls.db"
    told = f"others may write to the spool {folder}: run chmod 700 {folder}"
    with pytest.raises(InvalidInputError, match=told):
        Recorder(url, folder)
    for command in (("spool",), ("spool", "--dry-run"), ("record", "--upstream", "ws://h")):
        error = Terminal()(*command, "--spool", str(folder), "--db", url).error(2)
        assert told in error
    assert list(folder.iterdir()) == []
    folder.chmod(0o755)
    Recorder(url, folder).close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_spool_of_another_user_is_refused(tmp_path: Path) -> None:
    folder, link = tmp_path / "spool", tmp_path / "link"
    folder.mkdir(mode=0o700)
    link.symlink_to(folder)
    check_private_folder(link, "the spool")
    os.chown(link, 12345, 12345, follow_symlinks=False)
    os.chown(folder, 12345, 12345)
    for path in (folder, link):
        with pytest.raises(InvalidInputError, match="belongs to another user"):
            Recorder(f"sqlite:///{tmp_path}/calls.db", path)
    os.chown(folder, 0, 0)
    with pytest.raises(InvalidInputError, match="belongs to another user"):
        check_private_folder(link, "the spool")


def test_links_pipes_and_folders_in_the_spool_are_not_opened(tmp_path: Path) -> None:
    """They stop nothing that stands beside them, and nothing that they name is changed."""
    folder, secret = tmp_path / "spool", tmp_path / "secret"
    folder.mkdir(mode=0o700)
    secret.write_bytes(MAGIC + b"not yours")
    made = {
        "a": lambda path: path.symlink_to(secret),
        "b": os.mkfifo,
        "c": os.mkdir,
    }
    endings = (".lock", ".journal", ".000001.spool")
    for (letter, make), odd in product(made.items(), endings):
        for ending in endings:
            path = folder / f"{letter}-{endings.index(odd)}-abcdef{ending}"
            make(path) if ending == odd else path.write_bytes(MAGIC)
    # The last one is whole.
    begun = TargetSession("k" * 24, "sess_a", True)
    entry = Entry(begun.key, 1, Frame(CLIENT, "hello", 1), closing=True)
    whole = MAGIC + encode_target(begun) + b"".join(encode_entries([entry]))
    (folder / "f-9-abcdef.000001.spool").write_bytes(whole)
    url = f"sqlite:///{tmp_path}/calls.db"
    assert sum(one.frames for one in spool_status(folder)) == 1
    recorder = Recorder(url, folder)
    recorder.session(None, "sess_b").record(CLIENT, "live")
    recorder.close()
    with EventStore(url) as store:
        assert [event.text for event in store.events("sess_a")] == ["hello"]
        assert "live" in [event.text for event in store.events("sess_b")]
    assert secret.read_bytes() == MAGIC + b"not yours"
    # What cannot be locked stays as it is.
    assert {path.name[0] for path in folder.iterdir()} <= {"a", "b", "c"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("elsewhere"), os.mkdir])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, os.O_RDWR])
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, make: object, flags: int) -> None:
    path = tmp_path / "file"
    make(path)  # type: ignore[operator]
    with pytest.raises(OSError):
        open_private(str(path), flags)
    assert not (tmp_path / "elsewhere").exists()
    make_private_file(path)
    assert not path.is_file()
