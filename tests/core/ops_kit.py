"""What the tests of comparing, explaining, declaring and the commands share: a project with two scripted systems."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner, Result
from dock_plugin import WORLD, System

from crossdock import Order, OrderLine
from crossdock.app import App
from crossdock.cli import main
from crossdock.configure import add_flow
from crossdock.engine.decide import switch_flow
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.store.config import FlowOptions, FlowRow
from crossdock.store.store import Store

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
PLACED = datetime(2026, 11, 10, 12, tzinfo=UTC)


def install_docks(folder: Path) -> None:
    """Make the scripted connectors look like installed distributions."""
    for name in ("dock", "mute"):
        info = folder / f"crossdock_{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crossdock-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[crossdock.connectors]\n{name} = {name}_plugin\n")


@attrs.define
class Project:
    """A project folder with the connections `shop` and `erp`, and their systems."""

    home: Path
    app: App
    shop: System
    erp: System

    def flow(self, stream: str = "orders", *, source: str = "shop", target: str = "erp", mode: str = "live",
             name: str = "", **options: Any) -> FlowRow:  # fmt: skip
        """Add a flow."""
        row = FlowRow(name=name or f"{stream}-flow", stream=stream, source=source, target=target, mode="plan",
                      options=FlowOptions(**options))  # fmt: skip
        add_flow(self.app, row)
        return switch_flow(self.app.bench, row.name, mode)[0]

    def deliver(self, flow: FlowRow) -> None:
        """Fetch the source and push."""
        pull(self.app.bench, flow.source, flow.stream)
        push(self.app.bench, flow)

    def cli(self, *args: str, **extra: Any) -> Result:
        """Run a command on this project."""
        return CliRunner().invoke(main, ["--project", str(self.home), *args], **extra)


def order(key: str, *, total: str = "10.00", placed: datetime | None = PLACED, **fields: Any) -> Order:
    """An order of one line that balances."""
    line = OrderLine(key="1", sku=fields.pop("sku", "A-1"), quantity=Decimal(1), unit_price=Decimal(total),
                     total=Decimal(total))  # fmt: skip
    fields = {"status": "processing", "currency": "EUR", "number": f"N{key}", "lines": (line,), **fields}
    return Order(key=key, placed_at=placed, updated_at=PLACED, total=Decimal(total), **fields)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "crossdock.db"
    Store.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def project(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with two active connections."""
    site = tmp_path / "site"
    install_docks(site)
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "dock,mute")
    monkeypatch.setenv("CROSSDOCK_SECRET_KEY", KEY)
    for name in ("CROSSDOCK_HOME", "CROSSDOCK_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(migrated, home / "crossdock.db")
    WORLD.clear()
    WORLD.update({"shop-system": System(), "erp-system": System()})
    with App(home) as app:
        for name in ("shop", "erp"):
            app.save(name, "dock", {"system": f"{name}-system", "token": "good one"})
        yield Project(home, app, WORLD["shop-system"], WORLD["erp-system"])
