"""Unit: the compose file is valid, and each command, variable and secret in it exists."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.deployed import DEPLOY, parse_command, unknown_variables

FILE = DEPLOY / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if name != "db"}

each_of_ours = pytest.mark.parametrize("name", sorted(OURS))


def _runs(command: list[str]) -> bool:
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    return done.returncode == 0 and b"ompose" in done.stdout


def test_docker_compose_takes_it() -> None:
    """By its schema, and its own rules. It needs no server."""
    programs = [["docker-compose"], ["docker", "compose"]]
    found = [one for one in programs if shutil.which(one[0]) and _runs([*one, "version"])]
    if not found:
        pytest.skip("no Docker Compose is here; the tests below check the file")
    command = [*found[0], "-f", str(FILE), "--profile", "webhooks", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_all_parts_are_there() -> None:
    assert set(SERVICES) == {"db", "init", "relay", "worker", "pages", "webhooks"}
    commands = {name: one["command"][0] for name, one in OURS.items()}
    assert commands == {
        "init": "init",
        "relay": "record",
        "worker": "project",
        "pages": "serve",
        "webhooks": "webhooks",
    }


@each_of_ours
def test_a_command_is_one_that_eventstore_has(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text("")
    environment = OURS[name]["environment"]
    assert unknown_variables(environment) == set()
    for variable, value in environment.items():
        monkeypatch.setenv(variable, str(keys) if value.startswith("/run/secrets") else value)
    parsed = parse_command(OURS[name]["command"])
    assert parsed.params["url"] == "postgresql://eventstore@db/eventstore"
    if name == "worker":
        assert parsed.params["follow"] is True


@each_of_ours
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    one = OURS[name]
    assert one["read_only"] is True and one["cap_drop"] == ["ALL"] and one["init"] is True
    assert "no-new-privileges:true" in one["security_opt"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & one.keys()
    assert all(":/data" in volume for volume in one.get("volumes", ()))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_limits_and_comes_back(name: str) -> None:
    one = SERVICES[name]
    assert one["restart"] == ("no" if name == "init" else "unless-stopped")
    assert one["mem_limit"] and one["cpus"]
    assert one["logging"]["options"]["max-size"]
    tag = one["image"].rpartition(":")[2]
    assert tag and tag != "latest"


def test_only_what_others_need_is_published_and_only_on_this_machine() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published == {"relay": ["127.0.0.1:8080:8080"], "pages": ["127.0.0.1:8000:8000"]}
    assert COMPOSE["networks"]["database"] == {"internal": True}
    assert SERVICES["db"]["networks"] == ["database"]
    outside = {name for name, one in SERVICES.items() if "outside" in one["networks"]}
    assert outside == {"relay", "pages", "webhooks"}


def test_nobody_begins_before_the_schema_is_there() -> None:
    assert OURS["init"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    for name in OURS.keys() - {"init"}:
        wanted = {"init": {"condition": "service_completed_successfully"}}
        assert OURS[name]["depends_on"] == wanted, name


def test_passwords_and_keys_are_files_and_nothing_else() -> None:
    assert set(COMPOSE["secrets"]) == {"postgres_password", "pgpass", "api_keys"}
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"].startswith("secrets/"), name
    for one in SERVICES.values():
        assert set(one["secrets"]) <= set(COMPOSE["secrets"])
        for variable, value in one["environment"].items():
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in one["secrets"], variable
            assert "PASSWORD" not in variable or variable.endswith("_FILE")
    assert "secrets/" in (DEPLOY / ".gitignore").read_text("utf-8").split()


def test_a_relay_may_take_as_long_as_its_calls() -> None:
    command = SERVICES["relay"]["command"]
    grace = int(command[command.index("--grace") + 1])
    assert int(SERVICES["relay"]["stop_grace_period"].removesuffix("s")) >= grace + 20
    assert SERVICES["relay"]["volumes"] == ["spool:/data"]
    assert set(COMPOSE["volumes"]) == {"database", "spool"}


def test_who_listens_has_a_health_check_and_others_say_why_not() -> None:
    """That of the image asks both ports."""
    without = {name for name, one in OURS.items() if one.get("healthcheck") == {"disable": True}}
    assert without == {"init", "worker", "webhooks"}
    assert SERVICES["db"]["healthcheck"]["test"][1] == "pg_isready"


def test_a_wrong_command_or_variable_would_be_found() -> None:
    import click

    for words in (["serves"], ["serve", "--listne", "1"], ["record", "--grace", "long"], ["state"]):
        with pytest.raises(click.UsageError):
            parse_command(words)
    assert unknown_variables(["EVENTSTORE_URI", "EVENTSTORE_URL"]) == {"EVENTSTORE_URI"}
