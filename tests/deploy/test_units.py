"""Unit: systemd takes the units, what they run exists, and none has more rights than it needs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from support.deployed import DEPLOY, parse_command, unknown_variables

UNITS = DEPLOY / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
RUNNING = [path for path in SERVICES if path.stem != "eventstore-backup"]
PROGRAM = "/opt/eventstore/bin/eventstore"

each_service = pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
each_running = pytest.mark.parametrize("path", RUNNING, ids=lambda path: path.stem)


def settings(path: Path) -> dict[str, list[str]]:
    """The settings of a unit; one that is given twice has two values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def variables() -> dict[str, str]:
    """The variables of the file of the environment, those that are commented out as well."""
    text = (UNITS / "eventstore.env").read_text("utf-8")
    return dict(re.findall(r"(?m)^#?([A-Z_]+)=(.*)$", text))


def test_all_parts_are_there() -> None:
    names = {"relay", "serve", "worker", "webhooks", "backup"}
    assert {path.stem.removeprefix("eventstore-") for path in SERVICES} == names
    assert (UNITS / "eventstore-backup.timer").exists()


def test_systemd_takes_them(tmp_path: Path) -> None:
    """The programs that they run are put in another place: they need not be installed."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze; the tests below check the units")
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copies = []
    for path in sorted(UNITS.glob("eventstore-*")):
        text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={program}", path.read_text("utf-8"))
        copies.append(tmp_path / path.name)
        copies[-1].write_text(text)
    command = [analyze, "verify", "--man=no", "--recursive-errors=no", *copies]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    told = [line for line in done.stderr.splitlines() if "eventstore" in line]
    assert (done.returncode, told) == (0, []), done.stderr


@each_service
def test_systemd_finds_little_exposed(path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze; the test below checks the settings")
    command = [analyze, "security", "--offline=yes", "--no-pager", "--threshold=25", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze does not know --offline")
    assert done.returncode == 0, done.stdout[-300:]


@each_service
def test_a_service_has_no_more_rights_than_it_needs(path: Path) -> None:
    found = settings(path)
    wanted = {
        "User": "eventstore",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "PrivateDevices": "yes",
        "CapabilityBoundingSet": "",
        "StateDirectory": "eventstore",
        "StateDirectoryMode": "0700",
        "UMask": "0077",
        "EnvironmentFile": "/etc/eventstore/eventstore.env",
    }
    assert {name: found[name] for name in wanted} == {k: [v] for k, v in wanted.items()}
    assert found["MemoryMax"] and found["TasksMax"]
    named = [value.partition("=")[0] for value in found["Environment"]]
    assert unknown_variables(named) == set()


@each_running
def test_what_it_runs_is_a_command_of_eventstore(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys.toml").write_text("")
    for name, value in variables().items():
        monkeypatch.setenv(name, value)
    [line] = settings(path)["ExecStart"]
    program, *words = shlex.split(line)
    assert program == PROGRAM
    for name in re.findall(r"\$\{(\w+)\}", line):
        words = [word.replace(f"${{{name}}}", variables()[name]) for word in words]
    words = [
        word.replace("/etc/eventstore/api-keys.toml", f"{tmp_path}/keys.toml") for word in words
    ]
    parsed = parse_command(words)
    assert parsed.params["url"] == "sqlite:////var/lib/eventstore/eventstore.db"
    if "address" in parsed.params:
        assert parsed.params["address"].startswith("127.0.0.1:")


@each_running
def test_it_comes_back_and_ends_in_order(path: Path) -> None:
    found = settings(path)
    assert found["Restart"] == ["on-failure"] and found["KillMode"] == ["mixed"]
    words = found["ExecStart"][0].split()
    grace = int(words[words.index("--grace") + 1]) if "--grace" in words else 0
    assert int(found["TimeoutStopSec"][0]) >= grace + 20


def test_the_backup_runs_the_script_of_this_folder() -> None:
    found = settings(UNITS / "eventstore-backup.service")
    script, folder, days = found["ExecStart"][0].split()
    assert script == "/opt/eventstore/deploy/backup.sh" and int(days) > 0
    assert found["ReadWritePaths"] == [f"{folder} -/var/lib/eventstore-metrics"]
    assert found["Type"] == ["oneshot"]
    assert (DEPLOY / "backup.sh").stat().st_mode & 0o111
    timer = settings(UNITS / "eventstore-backup.timer")
    assert timer["OnCalendar"] and timer["Persistent"] == ["true"]
    assert timer["WantedBy"] == ["timers.target"]


def test_each_variable_is_one_that_somebody_reads() -> None:
    assert unknown_variables(variables()) == set()
