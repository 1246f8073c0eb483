"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest
from cli_kit import shell, systems
from databases import SqliteFiles, postgres
from depot import Depot
from engine_kit import Site, install_depots, served
from engine_kit import world as open_world
from ops_kit import migrated, project  # noqa: F401

from crossdock.sandbox import serve
from crossdock.store.store import Store


@pytest.fixture(scope="session")
def acmes():
    """Two Acme systems, served as long as the tests run."""
    with systems() as made:
        yield made


@pytest.fixture
def crossdock(tmp_path, monkeypatch, acmes, migrated):  # noqa: F811
    """A new project with the connector acme, two Acme systems, and a command line in its folder."""
    with shell(tmp_path, monkeypatch, acmes, migrated) as made:
        yield made


@pytest.fixture(scope="session")
def sqlite_files(tmp_path_factory):
    """SQLite databases."""
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_server():
    """A real PostgreSQL server; started by the first test that needs it."""
    with postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def server(request):
    """Makes databases: tests that use it run on SQLite and on PostgreSQL."""
    return request.getfixturevalue("sqlite_files" if request.param == "sqlite" else "postgres_server")


@pytest.fixture
def database_url(server):
    """A database with the schema."""
    url = server.migrated()
    yield url
    server.drop(url)


@pytest.fixture
def store(database_url):
    """An open store."""
    opened = Store.open(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def depot_site(tmp_path_factory):
    """A folder with the scripted connectors installed."""
    return Site(install_depots(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="session")
def depots(depot_site):
    """The registry of an environment that has only the scripted connectors."""
    return depot_site.load()


@pytest.fixture(scope="session")
def servers():
    """Two depots that answer requests; a test gets them empty."""
    with served() as pair:
        yield pair


@pytest.fixture
def world(tmp_path, database_url, depot_site, depots, servers):
    """A shop and an ERP in one project."""
    with open_world(tmp_path, database_url, depot_site, depots, *servers) as made:
        yield made


@pytest.fixture
def bench(world):
    """What the engine works with, on a clock that the test moves."""
    return world.bench


@pytest.fixture(scope="session")
def third_server():
    """One more depot that answers requests; `market` empties it."""
    depot = Depot()
    with serve(depot):
        yield depot


@pytest.fixture
def market(world, third_server):
    """A second place that sells what the ERP has, with a connection of that name."""
    return world.join("market", third_server)
