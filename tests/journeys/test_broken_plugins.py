"""Plugins of others that are broken: named with version and cause, and nobody else notices."""

from __future__ import annotations

import pytest
from kit import admitted, erp_orders

pytestmark = pytest.mark.slow

RAISES = 'raise RuntimeError("The licence file is missing.")\n'
MISSPELT = """
import attrs

from crossdock import ConnectorInfo, Endpoint, StreamInfo, hookimpl, setting


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address")


@hookimpl
def connector_info():
    return ConnectorInfo(
        name="misspelt", title="Misspelt", settings=Settings, streams={"orders": StreamInfo()},
        endpoint=lambda settings: Endpoint(base_url=settings.url),
    )


@hookimpl
def fetch_order(session, query):
    return iter(())
"""
BLURTS = """
import attrs

from crossdock import Check, ConnectorInfo, Endpoint, Secret, StreamInfo, hookimpl, setting


@attrs.frozen(kw_only=True)
class Settings:
    token: Secret = setting("Token")


@hookimpl
def connector_info():
    return ConnectorInfo(
        name="blurts", title="Blurts", settings=Settings, streams={"orders": StreamInfo()},
        endpoint=lambda settings: Endpoint(base_url="http://127.0.0.1:9"),
    )


@hookimpl
def verify(session):
    yield Check(name="Token", state="ok")


@hookimpl
def fetch_orders(session, query):
    yield from {}["Token " + session.settings.token.reveal()]
"""
EXITS = "import sys\nsys.exit(3)\n"


def install(site, name, version, source):
    """A distribution with one connector."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[crossdock.connectors]\n{name} = {name}_module\n")
    (site / f"{name}_module.py").write_text(source)


@pytest.fixture
def beside(make, tmp_path):
    """A working project beside three broken plugins."""
    site = tmp_path / "site"
    install(site, "raises", "1.2.3", RAISES)
    install(site, "misspelt", "4.5.6", MISSPELT)
    install(site, "exits", "7.8.9", EXITS)
    return make(PYTHONPATH=str(site))


def test_everything_else_works_beside_broken_plugins(beside):
    beside.fill(orders=6)
    beside.link()
    beside.settle()

    assert erp_orders(beside.erp) == admitted(beside.shop)


@pytest.mark.parametrize("command", [("connectors",), ("doctor",)])
def test_broken_plugins_are_named_with_version_and_cause(beside, command):
    said = beside.project.run(*command, code=1).stdout

    for name, version, cause in (
        ("raises", "1.2.3", "The licence file is missing."), ("misspelt", "4.5.6", "fetch_order"),
        ("exits", "7.8.9", "SystemExit"),
    ):  # fmt: skip
        (line,) = (line for line in said.splitlines() if version in line)
        assert name in line
        assert cause in line


def test_machines_see_both_the_sound_and_the_broken_connectors(beside):
    rows = {row["name"]: row for row in beside.project.json("connectors", code=1)}

    assert {name: bool(row["problem"]) for name, row in rows.items()} == {
        **dict.fromkeys(("woocommerce", "mirakl", "cdiscount", "xdconnects", "extendcommerce"), False),
        **dict.fromkeys(("raises", "misspelt", "exits"), True),
    }
    assert rows["raises"]["distribution"] == "raises"


def test_a_connector_that_breaks_is_named_and_does_not_blurt_out_its_secret(make, tmp_path):
    install(tmp_path / "site", "blurts", "1.0.1", BLURTS)
    world = make(PYTHONPATH=str(tmp_path / "site"), connect=False)
    world.project.run("connection", "add", "odd", "-c", "blurts", "--set", "token=hush-4711-hush")
    said = world.project.run("sync", "odd", "orders", code=1).text + world.project.run("log", "runs").text

    assert "blurts 1.0.1 broke in fetch_orders: KeyError" in said
    assert "hush-4711-hush" not in said
    assert b"hush-4711-hush" not in (world.project.home / "crossdock.db").read_bytes()
