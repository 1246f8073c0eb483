"""What the tests of this connector share: a clock, sessions opened by hand on a served sandbox, orders to send."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from sandbox_kit import SWITCHBOARD, plug

import crossdock_xdconnects
from crossdock import Address, Decoration, Order, OrderLine, Session, evolve
from crossdock.clock import SystemClock
from crossdock.http.client import Exchange, Http
from crossdock.http.limits import MemoryLimiter
from crossdock.session import HeldFiles
from crossdock.settings import Secret, build
from crossdock.testing.props import DictMemory
from crossdock_xdconnects.sandbox import XdSandbox
from crossdock_xdconnects.settings import INFO, Settings, endpoint

SAMPLES = Path(__file__).parent / "samples"
KEY = "shop-1042"


class FrozenClock(SystemClock):
    """Stands still until it is moved; waiting moves it and takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = datetime(2026, 9, 15, 10, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


class Exchanges(list[Exchange]):
    """Everything that was asked."""

    def keep(self, exchange: Exchange) -> None:
        self.append(exchange)


class Store:
    """What outlives a session: memory, files, budgets, the exchange log."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock = clock
        self.memory = DictMemory()
        self.files = HeldFiles(clock.now)
        self.limiter = MemoryLimiter()
        self.exchanges = Exchanges()


def values(sandbox: XdSandbox, **changes: str) -> dict[str, str]:
    """The settings of a working connection to `sandbox`, as text."""
    found = {**sandbox.settings(plug(sandbox)), "live_ordering": "yes", **changes}
    return {name: value for name, value in found.items() if value}


@contextmanager
def opened(sandbox: XdSandbox, store: Store, hooks: Any = None, **changes: str) -> Iterator[Session[Settings]]:
    """A session on `sandbox` as the core opens one; what it remembers is in `store`."""
    settings = build(Settings, values(sandbox, **changes))
    secrets = [each.reveal() for each in attrs.astuple(settings, recurse=False) if isinstance(each, Secret)]
    http = Http(
        endpoint(settings), clock=store.clock, limiter=store.limiter, budgets=INFO.budgets, secrets=secrets,
        exchanges=store.exchanges, seed=1,
    )  # fmt: skip
    log = logging.LoggerAdapter(logging.getLogger("test"), {})
    try:
        yield Session(connection="xd", settings=settings, http=http, clock=store.clock, log=log, memory=store.memory,
                      files=store.files, hooks=hooks)  # fmt: skip
    finally:
        http.close()


HOME = Address(
    name="Mette Demo", company="Demo Kunde ApS", street="Havnegade 1", postcode="8000", city="Aarhus C", country="DK",
    phone="+4500000001", email="mette@kunde.example",
)  # fmt: skip


def line(sku: str = "P990.001", quantity: int | str = 50, **changes: Any) -> OrderLine:
    """A line of blank goods."""
    given = {"key": f"li-{sku}", "sku": sku, "name": "A thing", "quantity": Decimal(quantity),
             "unit_price": Decimal("12.00"), "total": Decimal(quantity) * 12}  # fmt: skip
    return OrderLine(**{**given, **changes})


def order(*lines: OrderLine, **changes: Any) -> Order:
    """An order of blank bottles, or of `lines`."""
    given: dict[str, Any] = {
        "key": "1042", "number": "WC-1042", "status": "processing", "currency": "EUR", "shipping_address": HOME,
        "lines": lines or (line(),), "placed_at": datetime(2026, 9, 15, 6, 0, tzinfo=UTC),
    }  # fmt: skip
    return Order(**{**given, **changes})


def engraving(**changes: Any) -> Decoration:
    """A laser engraving on the front of a bottle."""
    given: dict[str, Any] = {
        "technique": "Demo Laser 1", "position": "item front", "width": Decimal(38), "height": Decimal(20),
        "artwork_url": f"{SWITCHBOARD.base_url}/artwork/logo.pdf", "instructions": "Centre on front",
    }  # fmt: skip
    return Decoration(**{**given, **changes})


def padding(*colours: str, **changes: Any) -> Decoration:
    """A pad print on the back of a bottle."""
    given: dict[str, Any] = {"technique": "Demo Pad", "position": "A2", "width": Decimal(25), "height": Decimal(25),
                             "colours": colours or ("PMS 186 C",)}  # fmt: skip
    return engraving(**{**given, **changes})


def chest(width: str, height: str) -> Decoration:
    """A transfer on the chest of a shirt, priced by its area, in one colour."""
    return engraving(technique="Demo Transfer OS", position="chest", width=Decimal(width), height=Decimal(height),
                     colours=("PMS 186 C",))  # fmt: skip


def digital() -> Decoration:
    """A print in full colour on a power bank."""
    return engraving(technique="Demo Digital FC", position="item top", width=Decimal(50), height=Decimal(50),
                     colours=("full colour",))  # fmt: skip


def on_this_server(given: OrderLine) -> OrderLine:
    """The line with artworks that the served sandbox has; lines of parameters are made before it is served."""
    artwork = f"{SWITCHBOARD.base_url}/artwork/logo.pdf"
    return evolve(given, decorations=tuple(evolve(each, artwork_url=artwork) for each in given.decorations))


def printed(*decorations: Decoration, quantity: int = 100, sku: str = "P990.001") -> Order:
    """An order of printed goods."""
    return order(line(sku, quantity, decorations=decorations or (engraving(),)))


def wire_file(folder: Path, **changes: Any) -> str:
    """A mapping file with parts replaced; `None` leaves one out."""
    default = Path(crossdock_xdconnects.__file__).with_name("xd_wire.v0.json")
    made = {**json.loads(default.read_bytes()), **changes}
    path = folder / "xd_wire.json"
    path.write_text(json.dumps(made))
    return str(path)


ASKING: dict[str, Any] = {
    "status": {"path": "/orders/{sent.number}"},
    "lookup": {"path": "/orders", "query": {"reference": "{sent.reference}"}},
}
"""Parts of a mapping file that ask for orders."""
