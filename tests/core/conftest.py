"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest
from cli_kit import shell, systems
from click.testing import CliRunner
from databases import SqliteFiles, postgres
from depot import Depot
from engine_kit import VARIANTS, Site, install_depots, served
from engine_kit import world as open_world
from ops_kit import migrated, project  # noqa: F401
from webhook_kit import install_hooked

from crossdock.cli import main
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
def hooked_site(tmp_path_factory):
    """A folder with a depot connector that takes webhooks."""
    return Site(install_hooked(tmp_path_factory.mktemp("hooked")))


@pytest.fixture(scope="session")
def hooked(hooked_site):
    """The registry with that connector."""
    return hooked_site.load()


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
def run(world, database_url, monkeypatch):
    """Runs `crossdock` in the world's project; the exit code has to be `code`."""
    monkeypatch.syspath_prepend(str(world.site.folder))
    monkeypatch.setenv("CROSSDOCK_PLUGINS", ",".join(VARIANTS))
    monkeypatch.setenv("CROSSDOCK_HOME", str(world.app.home))
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", database_url)
    monkeypatch.delenv("CROSSDOCK_SECRET_KEY", raising=False)

    def command(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, list(words), prog_name="crossdock")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result.output

    return command


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
