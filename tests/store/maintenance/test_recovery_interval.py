"""Integration: how soon the nodes of a cluster end transactions in doubt is set, or told."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url
from support.databases import opened
from support.postgres import CitusCluster, PostgresServer, nodes

from eventstore.store.maintenance.recovery_interval import INTERVAL, set_recovery_interval

ROLE = "eventstore_no_administrator"


def on_each(url: str, *commands: str) -> list[str]:
    """The results of the last of some commands on each node."""
    results = []
    for its_url in nodes(url).values():
        with psycopg.connect(its_url, autocommit=True) as connection:
            for command in commands:
                cursor = connection.execute(command.encode())
            results += [str(row[0]) for row in cursor.fetchall()]
    return results


@pytest.fixture
def spread_url(cluster: CitusCluster, postgres_url: str) -> Iterator[str]:
    """A database of a cluster whose nodes look for transactions in doubt each minute."""
    reload = "SELECT pg_reload_conf()"
    on_each(postgres_url, "ALTER SYSTEM SET citus.recover_2pc_interval = '1min'", reload)
    yield postgres_url
    on_each(postgres_url, "ALTER SYSTEM RESET citus.recover_2pc_interval", reload)


def test_there_is_nothing_to_set_without_a_cluster(
    postgres: PostgresServer, postgres_url: str
) -> None:
    if isinstance(postgres, CitusCluster):
        pytest.skip("this is a cluster of Citus")
    with opened(postgres_url) as engine:
        assert set_recovery_interval(engine) == []


def test_an_administrator_sets_it_on_each_node(spread_url: str) -> None:
    with opened(spread_url) as engine:
        assert set_recovery_interval(engine) == []
        assert set(on_each(spread_url, "SELECT pg_sleep(0.5)", INTERVAL)) == {"5000"}
        assert set_recovery_interval(engine) == []


def test_another_user_is_told_what_to_set_on_each_node(spread_url: str) -> None:
    names = nodes(spread_url)
    on_each(
        spread_url,
        "SET citus.enable_ddl_propagation = off",
        f"DROP ROLE IF EXISTS {ROLE}",
        f"CREATE ROLE {ROLE} LOGIN",
        "SELECT 1",
    )
    url = make_url(spread_url).set(username=ROLE, password=None)
    with opened(url.render_as_string(hide_password=False)) as engine:
        notices = set_recovery_interval(engine)
    assert {notice.node for notice in notices} == set(names)
    assert all("permission denied" in notice.reason for notice in notices)
    assert set(on_each(spread_url, INTERVAL)) == {"60000"}
    on_each(spread_url, *notices[0].commands.split("; "), "SELECT pg_sleep(0.5)", INTERVAL)
    assert set(on_each(spread_url, INTERVAL)) == {"5000"}
    on_each(spread_url, "SET citus.enable_ddl_propagation = off", f"DROP ROLE {ROLE}", "SELECT 1")
