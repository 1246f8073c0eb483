"""Three channels sell one stock, and everything happens in any order: what the system promises holds all the while.

The promise is about what is *published*, at the moment it leaves, judged by what had been read by then:

* no value exceeds what is free: the stock as it was read last, less everything that the orders that had been read take
  and that this reading of the stock does not contain yet, less what is kept back of this SKU on this channel;
* no value is higher than what the channel may show already, unless every order that had been placed when that stock was
  read has been read, on all channels;
* when everything has been read, handed on and published, every channel shows exactly what the ERP has left, less that,
  whatever it took off and put back by itself.

One of the channels takes stock by import jobs, which end late, or refuse values. Orders are also read because webhooks
name them. The steps of a day are drawn by seeds: some that are kept, and some of hypothesis. It draws no single steps,
because what threads of the engine do at the same time makes no two days quite the same.

It is no promise that nothing is ever sold twice: what a channel sells between two readings of its orders is not known,
and for that the buffer is there. A channel sells here only what it still shows, as shops do.
"""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from depot import Depot
from engine_kit import World
from engine_kit import world as open_world
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from crossdock import Changed
from crossdock.engine import decide, settle
from crossdock.engine.inbound import work
from crossdock.sandbox import serve
from crossdock.store.database import stamp
from crossdock.store.inbox import Arrival
from crossdock.store.store import Store

pytestmark = pytest.mark.slow

CHANNELS = ("shop", "market", "outlet")
IMPORTING = "outlet"
CUT = ("read", "hand_on", "count", "count_by_key", "publish", "webhook", "keep_back")
SKUS = ("A", "B")
EPOCH = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
STEPS = 110


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
        self.kept_back: dict[tuple[str, str], int] = defaultdict(int)
        self.raised = 0
        self.published = 0
        self.judged: set[tuple[str, str, Decimal]] = set()
        self.wrong: list[str] = []
        self.reader: Store | None = None

    def tick(self) -> int:
        self.time += 1
        return self.time

    def judge(self, channel: str, sku: str, value: Decimal) -> None:
        """Judge a value that leaves for a channel: in the transaction that notes it, by what is stored."""
        self.published += 1
        self.judged.add((channel, sku, value))
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
        free -= self.kept_back[channel, sku]
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

    def arrive(self, channel: str, sku: str, value: Decimal) -> None:
        """A value arrives at a channel, perhaps for the second time."""
        if (channel, sku, value) not in self.judged:
            self.wrong.append(f"{channel} was told {value} of {sku}, which never left")
        self.ceiling[channel, sku] = max(self.ceiling[channel, sku], value)
        self.sent[channel, sku] = value

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
            self.books.arrive(self.title, sku, Decimal(value))
            self.books.left[self.title, sku] = Decimal(value)
        return super()._publish(request, body)

    def _submit(self, request: Any, body: Any) -> Any:
        for sku, value in body.items():
            self.books.arrive(self.title, sku, Decimal(value))
        return super()._submit(request, body)

    def end_import(self, dice: random.Random | None) -> None:
        """The oldest import that runs ends; by `dice` it refuses a value now and then."""
        running = [job for job, each in self.jobs.items() if not each["finished"]]
        if not running:
            return
        given = self.jobs[running[0]]["given"]
        refused = {sku: "rejected" for sku in given if dice is not None and dice.random() < 0.25}
        self.finish(running[0], **refused)
        for sku, value in given.items():
            if sku not in refused:
                self.published[sku] = value
                self.books.left[self.title, sku] = Decimal(value)

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

    def __init__(self, world: World, books: Books, dice: random.Random) -> None:
        self.world = world
        self.books = books
        self.dice = dice
        self.depots: dict[str, Any] = {"shop": world.shop, **world.others}
        self.erp: Any = world.erp
        self.orders = {name: world.flow(source=name) for name in CHANNELS}
        self.stock = {name: world.flow("balance", "erp", name) for name in CHANNELS}
        for name in CHANNELS:
            world.store.config.save_stream(name, "orders", enabled=True, every=3600, cron="")
        self.numbers = iter(range(10_000))
        self.cuts = 0
        self.story: list[str] = []

    def step(self) -> None:
        name = self.dice.choice(CHANNELS)
        acts = {
            "sell": 12, "cancel": 2, "change": 6, "read": 6, "hand_on": 5, "count": 5, "count_by_key": 2, "late": 1,
            "publish": 8, "receive": 3, "take": 2, "pass_time": 3, "discard": 1, "pause": 1,
            "webhook": 4, "keep_back": 3, "end_import": 5,
        }  # fmt: skip
        act = self.dice.choices(list(acts), list(acts.values()))[0]
        cut = self.dice.random() < 0.15 and act in CUT
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
        self.look_up_buffers()
        self.world.later(seconds=75)

    def look_up_buffers(self) -> None:
        """What is kept back: whoever changed it when the power went sees afterwards whether it was written."""
        for name in CHANNELS:
            found = self.world.store.gaps.buffers(self.stock[name].name, SKUS)
            for sku in SKUS:
                self.books.kept_back[name, sku] = int(found.get(sku, 0))

    def sell(self, name: str) -> None:
        self.depots[name].sell(self.dice, next(self.numbers))

    def cancel(self, name: str) -> None:
        self.depots[name].change(self.dice, cancel=True)

    def change(self, name: str) -> None:
        self.depots[name].change(self.dice, cancel=False)

    def read(self, name: str) -> None:
        self.world.pull(name)

    def webhook(self, name: str) -> None:
        """A webhook names orders, some of which are not new."""
        keys = sorted(self.depots[name].orders)
        if not keys:
            return
        named = (self.dice.choice(keys), keys[-1])
        arrival = Arrival(
            connection=name, received_at=stamp(self.world.clock.now()), method="POST", headers="{}", query="{}",
            body=b"", signals=(Changed(stream="orders", keys=named),),
        )  # fmt: skip
        self.world.store.inbox.keep([arrival])
        work(self.world.bench, name)

    def keep_back(self, name: str) -> None:
        """Somebody changes how much of a SKU a channel keeps back."""
        sku, flow = self.dice.choice(SKUS), self.stock[name].name
        pieces = self.dice.randint(0, 3)
        if pieces:
            decide.add_mappings(self.world.bench, [(flow, "buffer", sku, str(pieces))])
        else:
            decide.remove_mapping(self.world.bench, flow, "buffer", sku)
        self.books.kept_back[name, sku] = pieces

    def end_import(self, name: str) -> None:
        """An import of the channel that works so ends, after whatever time."""
        self.depots[IMPORTING].end_import(self.dice)

    def hand_on(self, name: str) -> None:
        if self.dice.random() < 0.2:
            self.erp.fault("cut_after", method="POST", path="/orders")
        try:
            self.world.push(self.orders[name])
        finally:
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
        lost = self.dice.random() < 0.15 and name != IMPORTING
        if lost:
            self.depots[name].fault("cut_after", method="POST", path="/published", times=4)
        try:
            self.world.push(self.stock[name])
        finally:  # when the power goes, too: else an answer is lost later of which the books think that it arrived
            self.depots[name].faults.clear()
        running = any(not job["finished"] for job in self.depots[name].jobs.values())
        # A value whose answer was lost waits before it is sent again: until then it is not known what is shown.
        if not running and not any(each.unconfirmed for each in self.world.effects(self.stock[name])):
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

    def shown(self) -> dict[str, dict[str, str]]:
        """What each channel shows: what it was told last, less what it sold and more what was cancelled since."""
        return {name: {sku: str(self.books.left[name, sku]) for sku in SKUS} for name in CHANNELS}

    def left(self) -> dict[str, dict[str, str]]:
        """What each channel may show when everything is known: what the ERP has left, less what is kept back."""
        rows = self.erp.rows["balance"].items()
        return {
            name: {sku: str(max(int(row["count"]) - self.books.kept_back[name, sku], 0)) for sku, row in rows}
            for name in CHANNELS
        }

    def told(self) -> str:
        """The day's story, and what the ledger has of stock in the end."""
        ledger = [
            f"{each.target} {each.key} {each.state}: wanted {each.wanted}, sent {each.sent}, done {each.done}, "
            f"unconfirmed {each.unconfirmed}, {each.job} {each.cause} {each.message}"
            for name in CHANNELS
            for each in self.world.effects(self.stock[name])
        ]
        return "\n".join([*self.story, *ledger, str(self.depots[IMPORTING].jobs)])

    def settle(self) -> None:
        """Everything is read, handed on and published."""
        for turn in range(12):  # an import that is refused, a raise that waits or a longer back-off take another one
            if turn >= 3 and self.shown() == self.left():
                return
            self.world.later(minutes=70)
            for name in CHANNELS:
                self.world.pull(name)
                self.world.push(self.orders[name], patience=timedelta(minutes=10))
            self.world.pull("erp", "balance")
            for name in CHANNELS:
                self.world.push(self.stock[name], patience=timedelta(minutes=10))
                for _ in self.depots[name].jobs:
                    self.depots[name].end_import(None)
                self.world.later(seconds=70)
                decide.replay(self.world.bench, [
                    each.id for each in self.world.effects(self.stock[name]) if each.state == "parked"
                ])  # fmt: skip


@pytest.fixture(scope="module")
def systems() -> Iterator[tuple[Books, Erp, dict[str, Channel]]]:
    books = Books()
    erp, channels = Erp(books), {name: Channel(name, books) for name in CHANNELS}
    with serve(erp), serve(channels["shop"]), serve(channels["market"]), serve(channels["outlet"]):
        yield books, erp, channels


@contextlib.contextmanager
def a_day(home, server, systems, depot_site, depots, dice) -> Iterator[Day]:
    """A new day of the systems; the same steps make the same day, so what waits after a failure has no jitter."""
    books, erp, channels = systems
    url = server.migrated()
    with (
        pytest.MonkeyPatch.context() as patch,
        open_world(home, url, depot_site, depots, channels["shop"], erp) as world,
    ):
        patch.setattr(settle, "random", SimpleNamespace(Random=lambda: random.Random(0)))
        world.join("market", channels["market"])
        world.join(IMPORTING, channels[IMPORTING])
        world.connect(IMPORTING, "depot-importing")
        books.__init__()
        books.reader = world.store
        erp.recount()
        watch_what_leaves(world, books)
        yield Day(world, books, dice)
    server.drop(url)


def watch_what_leaves(world: World, books: Books) -> None:
    """Have each value judged when it is noted that it leaves: while it is on its way, more may become known."""
    effects: Any = world.store.effects
    send_stock = effects.send_stock

    def leaving(*arguments: Any) -> Any:
        sending = send_stock(*arguments)
        for effect in sending:
            books.judge(effect.target, effect.key, Decimal(effect.sent))
        return sending

    effects.send_stock = leaving


def live(day: Day) -> None:
    """Live through a day to its end, when everything is read, handed on and published."""
    for name in CHANNELS:
        day.read(name)
    day.count("erp")
    for name in CHANNELS:
        day.publish(name)
    for _ in range(STEPS):
        day.step()
        assert not day.books.wrong, (day.books.wrong, day.story)
    day.settle()

    assert not day.books.wrong, (day.books.wrong, day.story)
    assert day.shown() == day.left(), day.told()


DAYS = [("sqlite_files", seed) for seed in (0, 1, 2, 1033)] + [("postgres_server", 100)]


@pytest.mark.parametrize(("files", "seed"), DAYS, ids=lambda each: str(each).partition("_")[0])
def test_nothing_is_published_that_is_not_free_and_in_the_end_everything_that_is(
    request, tmp_path, systems, depot_site, depots, files, seed
):
    server = request.getfixturevalue(files)
    with a_day(tmp_path, server, systems, depot_site, depots, random.Random(seed)) as day:
        live(day)

        assert day.cuts > 0
        assert day.books.raised > 3
        assert day.books.published > 10
        assert any(row["finished"] for row in day.depots[IMPORTING].jobs.values())


# A day that goes wrong is told as its story; making it shorter would live through hundreds of days.
@settings(
    max_examples=8, phases=(Phase.generate,), deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(dice=st.randoms(use_true_random=True))
def test_no_day_that_can_be_thought_of_oversells(tmp_path_factory, sqlite_files, systems, depot_site, depots, dice):
    with a_day(tmp_path_factory.mktemp("day"), sqlite_files, systems, depot_site, depots, dice) as day:
        live(day)
