"""Three channels sell one stock, and everything happens in any order: what the system promises holds all the while.

The promise is about what is *published*, at the moment it leaves, judged by what had been read by then:

* no value exceeds what is free: the stock as it was read last, less everything that the orders that had been read take
  and that this reading of the stock does not contain yet;
* no value is higher than what the channel may show already, unless every order that had been placed when that stock was
  read has been read, on all channels;
* when everything has been read, handed on and published, every channel shows exactly what the ERP has left.

It is no promise that nothing is ever sold twice: what a channel sells between two readings of its orders is not known,
and for that the buffer is there. A channel sells here only what it still shows, as shops do.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from depot import Depot
from engine_kit import World
from engine_kit import world as open_world

from crossdock.engine import decide
from crossdock.sandbox import serve
from crossdock.store.store import Store

pytestmark = pytest.mark.slow

CHANNELS = ("shop", "market", "outlet")
SKUS = ("A", "B")
EPOCH = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
STEPS = 90


class PowerCutError(BaseException):
    """The process is gone."""


def number_of(stamp: str) -> int:
    """The version of a row of stock, which is told as its time."""
    return int((datetime.fromisoformat(stamp) - EPOCH).total_seconds())


class Books:
    """Who sold, shows and knows what, as the systems themselves see it."""

    def __init__(self) -> None:
        self.time = 0
        self.placed: dict[tuple[str, str], int] = {}
        self.told: dict[tuple[str, int], int] = {}
        self.contains: dict[tuple[str, int], dict[str, Decimal]] = {}
        self.left: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.ceiling: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.sent: dict[tuple[str, str], Decimal] = {}
        self.raised = 0
        self.published = 0
        self.wrong: list[str] = []
        self.reader: Store | None = None

    def tick(self) -> int:
        self.time += 1
        return self.time

    def judge(self, channel: str, sku: str, value: Decimal) -> None:
        """Judge a value that arrives at a channel."""
        self.published += 1
        assert self.reader is not None
        stored = self.reader.records.get("erp", "balance", sku)
        assert stored is not None
        version = (sku, number_of(stored.updated_at))
        known = {
            f"{name}-{each.key}": each.record
            for name in CHANNELS
            for page in self.reader.records.pages(name, "orders")
            for each in page
        }
        free = stored.record.available
        for reference, order in known.items():
            if order.status != "cancelled":
                took = sum((line.quantity for line in order.lines if line.sku == sku), Decimal(0))
                free -= max(took - self.contains[version].get(reference, Decimal(0)), Decimal(0))
        if value > max(free, Decimal(0)):
            self.wrong.append(f"{channel} was told {value} of {sku}, and {free} were free")
        if value > self.ceiling[channel, sku]:
            self.raised += 1
            unread = [
                f"{name}-{key}"
                for (name, key), placed in self.placed.items()
                if placed < self.told[version] and f"{name}-{key}" not in known
            ]
            if unread:
                self.wrong.append(f"{sku} of {channel} was raised to {value} before {unread} were read")
        self.ceiling[channel, sku] = max(self.ceiling[channel, sku], value)
        self.sent[channel, sku] = self.left[channel, sku] = value

    def confirm(self, channel: str) -> None:
        """The engine knows what became of everything that it sent to a channel."""
        for (name, sku), value in self.sent.items():
            if name == channel:
                self.ceiling[name, sku] = value
        self.sent = {each: value for each, value in self.sent.items() if each[0] != channel}


class Channel(Depot):
    """A shop that sells what it shows."""

    def __init__(self, title: str, books: Books) -> None:
        self.title = title
        self.books = books
        super().__init__()

    def _publish(self, request: Any, body: Any) -> Any:
        for sku, value in body.items():
            self.books.judge(self.title, sku, Decimal(value))
        return super()._publish(request, body)

    def sell(self, dice: random.Random, number: int) -> None:
        sku = dice.choice(SKUS)
        quantity = dice.randint(1, 3)
        if self.books.left[self.title, sku] < quantity:
            return
        self.books.left[self.title, sku] -= quantity
        self.order(str(number), lines=[{"sku": sku, "quantity": quantity}])
        self.books.placed[self.title, str(number)] = self.books.tick()

    def change(self, dice: random.Random, *, cancel: bool) -> None:
        open_orders = [row for row in self.orders.values() if row["status"] == "processing"]
        if not open_orders:
            return
        row = dice.choice(open_orders)
        (line,) = row["lines"]
        if cancel:
            self.order(row["id"], status="cancelled", lines=row["lines"])
            self.books.left[self.title, line["sku"]] += line["quantity"]
        elif self.books.left[self.title, line["sku"]] > 0:
            self.books.left[self.title, line["sku"]] -= 1
            self.order(row["id"], lines=[{**line, "quantity": line["quantity"] + 1}])


class Erp(Depot):
    """Its stock is what lies on the shelf less what its orders take."""

    def __init__(self, books: Books) -> None:
        self.books = books
        super().__init__()

    def begin(self) -> None:
        super().begin()
        self.shelf = dict.fromkeys(SKUS, 8)

    def recount(self) -> None:
        for sku, count in self.shelf.items():
            contains = {
                row["reference"]: sum(
                    (Decimal(each["quantity"]) for each in row["lines"] if each["sku"] == sku), Decimal(0)
                )
                for row in self.orders.values()
                if row["status"] != "cancelled"
            }
            version = self.books.tick()
            changed = (EPOCH + timedelta(seconds=version)).isoformat()
            self.put("balance", sku, count=str(count - sum(contains.values())), changed=changed)
            self.books.contains[sku, version] = contains

    def _list(self, request: Any, body: Any) -> Any:
        answer = super()._list(request, body)
        if request.path_params["stream"] == "balance":
            now = self.books.tick()
            for row in answer["rows"]:
                self.books.told.setdefault((row["id"], number_of(row["changed"])), now)
        return answer

    def _create(self, request: Any, body: Any) -> Any:
        made = super()._create(request, body)
        self.recount()
        return made

    def _change(self, request: Any, body: Any) -> Any:
        made = super()._change(request, body)
        self.recount()
        return made


class Day:
    """One day of these systems, with the engine between them."""

    def __init__(self, world: World, books: Books, seed: int) -> None:
        self.world = world
        self.books = books
        self.dice = random.Random(seed)
        self.depots: dict[str, Any] = {"shop": world.shop, **world.others}
        self.erp: Any = world.erp
        self.orders = {name: world.flow(source=name) for name in CHANNELS}
        self.stock = {name: world.flow("balance", "erp", name) for name in CHANNELS}
        self.numbers = iter(range(10_000))
        self.cuts = 0
        self.story: list[str] = []

    def step(self) -> None:
        name = self.dice.choice(CHANNELS)
        acts = {
            "sell": 12, "cancel": 2, "change": 6, "read": 6, "hand_on": 5, "count": 5, "count_by_key": 2, "late": 1,
            "publish": 8, "receive": 3, "take": 2, "pass_time": 3, "discard": 1, "pause": 1,
        }  # fmt: skip
        act = self.dice.choices(list(acts), list(acts.values()))[0]
        cut = self.dice.random() < 0.15 and act in ("read", "hand_on", "count", "count_by_key", "publish")
        self.story.append(f"{act} {name}{' with a power cut' if cut else ''}")
        if cut:
            self.cut(act, name)
        else:
            getattr(self, act)(name)

    def cut(self, act: str, name: str) -> None:
        """The power goes at one of the next commits, before or after it; somebody starts the process again."""
        database: Any = self.world.store.database
        kept = {verb: getattr(database, verb) for verb in ("_begin", "_commit", "query", "run", "many")}
        state = {"commits": self.dice.randint(1, 6), "dead": 0}
        late = self.dice.random() < 0.5

        def guarded(verb: str) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                if state["dead"]:
                    raise PowerCutError
                if verb == "_commit":
                    state["commits"] -= 1
                    if not state["commits"]:
                        state["dead"] = 1
                        if late:
                            kept[verb]()
                        raise PowerCutError
                return kept[verb](*args, **options)

            return call

        for verb in kept:
            setattr(database, verb, guarded(verb))
        try:
            getattr(self, act)(name)
        except PowerCutError:
            self.cuts += 1
        finally:
            for verb in kept:
                delattr(database, verb)
        self.world.later(seconds=75)

    def sell(self, name: str) -> None:
        self.depots[name].sell(self.dice, next(self.numbers))

    def cancel(self, name: str) -> None:
        self.depots[name].change(self.dice, cancel=True)

    def change(self, name: str) -> None:
        self.depots[name].change(self.dice, cancel=False)

    def read(self, name: str) -> None:
        self.world.pull(name)

    def hand_on(self, name: str) -> None:
        if self.dice.random() < 0.2:
            self.erp.fault("cut_after", method="POST", path="/orders")
        self.world.push(self.orders[name])
        self.erp.faults.clear()

    def count(self, name: str) -> None:
        self.world.pull("erp", "balance", full=self.dice.random() < 0.3)

    def count_by_key(self, name: str) -> None:
        self.world.pull("erp", "balance", keys=[self.dice.choice(SKUS)])

    def late(self, name: str) -> None:
        """The ERP answers with a row as it was some time ago."""
        sku = self.dice.choice(SKUS)
        now = dict(self.erp.rows["balance"][sku])
        version = self.dice.choice([at for each, at in self.books.contains if each == sku])
        taken = sum(self.books.contains[sku, version].values())
        count = self.erp.shelf[sku] - taken
        self.erp.rows["balance"][sku] = {
            **now, "count": str(count), "changed": (EPOCH + timedelta(seconds=version)).isoformat(),
        }  # fmt: skip
        seen = self.books.told.copy()
        stored = self.world.store.records.get("erp", "balance", sku)
        if stored is not None and number_of(stored.updated_at) > version:
            self.world.pull("erp", "balance", keys=[sku])
        self.books.told = seen
        self.erp.rows["balance"][sku] = now

    def publish(self, name: str) -> None:
        lost = self.dice.random() < 0.15
        if lost:
            self.depots[name].fault("cut_after", method="POST", path="/published", times=4)
        self.world.push(self.stock[name])
        self.depots[name].faults.clear()
        if not lost:
            self.books.confirm(name)

    def receive(self, name: str) -> None:
        self.erp.shelf[self.dice.choice(SKUS)] += self.dice.randint(1, 4)
        self.erp.recount()

    def take(self, name: str) -> None:
        sku = self.dice.choice(SKUS)
        if Decimal(self.erp.rows["balance"][sku]["count"]) > 0:
            self.erp.shelf[sku] -= 1
            self.erp.recount()

    def pass_time(self, name: str) -> None:
        self.world.later(seconds=self.dice.choice((5, 15, 70)))

    def discard(self, name: str) -> None:
        """Somebody gives an order up that is not handed on; its shop cancels it."""
        ready = [each for each in self.world.effects(self.orders[name]) if each.state == "ready" and not each.done]
        if ready:
            effect = self.dice.choice(ready)
            row = self.depots[name].orders[effect.key]
            self.depots[name].order(effect.key, status="cancelled", lines=row["lines"])
            self.world.pull(name, keys=[effect.key])
            decide.discard(self.world.bench, [effect.id], "")

    def pause(self, name: str) -> None:
        """A flow of orders is paused, something happens, and it goes on."""
        decide.switch_flow(self.world.bench, self.orders[name].name, "paused")
        self.sell(name)
        self.read(name)
        self.publish(self.dice.choice(CHANNELS))
        decide.switch_flow(self.world.bench, self.orders[name].name, "live")

    def settle(self) -> None:
        """Everything is read, handed on and published."""
        for _ in range(3):
            self.world.later(minutes=70)
            for name in CHANNELS:
                self.world.pull(name)
                self.world.push(self.orders[name], patience=timedelta(minutes=10))
            self.world.pull("erp", "balance")
            for name in CHANNELS:
                self.world.push(self.stock[name], patience=timedelta(minutes=10))


@pytest.fixture(scope="module")
def systems() -> Iterator[tuple[Books, Erp, dict[str, Channel]]]:
    books = Books()
    erp, channels = Erp(books), {name: Channel(name, books) for name in CHANNELS}
    with serve(erp), serve(channels["shop"]), serve(channels["market"]), serve(channels["outlet"]):
        yield books, erp, channels


@pytest.fixture
def day(tmp_path, request, systems, depot_site, depots) -> Iterator[Any]:
    books, erp, channels = systems
    files, seed = request.param
    server = request.getfixturevalue(files)
    url = server.migrated()
    with open_world(tmp_path, url, depot_site, depots, channels["shop"], erp) as world:
        world.join("market", channels["market"])
        world.join("outlet", channels["outlet"])
        books.__init__()  # type: ignore[misc]
        books.reader = Store.open(url)
        erp.recount()
        yield Day(world, books, seed)
        books.reader.close()
    server.drop(url)


DAYS = [("sqlite_files", seed) for seed in range(5)] + [("postgres_server", 100)]


@pytest.mark.parametrize("day", DAYS, indirect=True, ids=lambda each: f"{each[0].split('_')[0]}-{each[1]}")
def test_nothing_is_published_that_is_not_free_and_in_the_end_everything_that_is(day):
    for name in CHANNELS:
        day.read(name)
    day.count("erp")
    for name in CHANNELS:
        day.publish(name)
    for _ in range(STEPS):
        day.step()
        assert not day.books.wrong, (day.books.wrong, day.story)
    day.settle()

    left = {sku: str(max(int(row["count"]), 0)) for sku, row in day.erp.rows["balance"].items()}
    assert not day.books.wrong, (day.books.wrong, day.story)
    assert {name: day.depots[name].published for name in CHANNELS} == dict.fromkeys(CHANNELS, left), day.story
    assert day.cuts > 0
    assert day.books.raised > 3
    assert day.books.published > 20
