"""Several machines on one database, some of which die, sleep, are cut off or are replaced: everything happens once.

Nothing is stuck for longer than a lease and fifteen seconds: 60 seconds with the real lease of 45. The suite shortens
the lease; ``make torture`` takes the real one, and many rounds.
"""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from machines_kit import ROUNDS, Fleet, Machine, beyond, fleet, until
from machines_network import Database

import crossdock
from crossdock.store.journal import StoredLimiter

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database():
    """A server that only these tests use: they restart it."""
    made = Database()
    yield made
    made.close()


@pytest.fixture
def yard(tmp_path, database):
    """A shop whose orders go to an ERP, read each second, and no machine yet."""
    with fleet(tmp_path, database) as made:
        yield made


def settled(yard: Fleet) -> None:
    """Wait until all orders are in the ERP; what takes longer is stuck."""
    until(yard.delivered, yard.lease + 15, "Stuck.", yard.open)


def once(yard: Fleet) -> bool:
    """Whether each order is in the ERP once."""
    return yard.erp.references() == [f"shop-{number:05}" for number in range(1, yard.placed + 1)]


def unhurried(yard: Fleet) -> None:
    """Let reading take so long that two who did it at once would be seen."""
    yard.shop.fault("slow", method="GET", path="since=", seconds=0.4, times=1_000_000)


def lost(machine: Machine) -> list[str]:
    """What a machine says of work that it lost to another one."""
    return [turn["text"] for turn in machine.turns("orders") if "Another worker took over" in turn["text"]]


# -- a machine that sleeps -------------------------------------------------------------------------


def asleep(yard: Fleet, system: str, method: str) -> tuple[Machine, Machine]:
    """A machine that fell asleep while it waited for an answer, and another one."""
    twin = getattr(yard, system)
    twin.fault("slow", method=method, path="/orders", seconds=1)
    sleeper = yard.start("worker")
    until(lambda: any(each["fault"] == "slow" for each in list(twin.requests)))
    sleeper.freeze()
    return sleeper, yard.start("worker")


def test_who_slept_past_its_lease_while_reading_moves_no_bookmark_and_holds_nobody_up(yard):
    yard.place(3)
    sleeper, _ = asleep(yard, "shop", "GET")
    settled(yard)
    yard.place(2)
    settled(yard)
    read = yard.bookmark()
    sleeper.thaw()
    until(lambda: lost(sleeper))

    assert yard.bookmark() == read
    yard.place()
    settled(yard)
    assert once(yard)


def test_an_order_whose_sender_slept_while_it_was_answered_is_there_once(yard):
    yard.place()
    sleeper, _ = asleep(yard, "erp", "POST")
    settled(yard)
    sleeper.thaw()
    until(lambda: sleeper.turns("to-erp"))

    assert len(yard.erp.creates()) == 1
    assert yard.query("SELECT state FROM effect") == [("done",)]


def test_who_slept_before_it_sent_sends_no_more(yard):
    StoredLimiter(yard.app.store.database, "erp").hold("writes", yard.app.clock.now() + timedelta(seconds=10))
    yard.place()
    sleeper = yard.start("worker")
    until(lambda: yard.query("SELECT id FROM effect WHERE state = 'sending'"))
    sleeper.freeze()
    yard.start("worker")
    settled(yard)
    sleeper.thaw()
    until(lambda: sleeper.turns("to-erp"))

    assert [each.worker for each in yard.erp.creates()] == ["machine2"]
    assert yard.query("SELECT state FROM effect") == [("done",)]


def test_who_sleeps_in_the_middle_of_a_transaction_keeps_nothing_locked(yard):
    yard.place()
    with psycopg.connect(yard.url) as lock:
        lock.execute("SELECT cursor FROM stream WHERE stream = 'orders' FOR UPDATE")
        sleeper = yard.start("worker")
        until(lambda: yard.query("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        sleeper.freeze()
    yard.start("worker")
    settled(yard)
    sleeper.thaw()
    until(lambda: [turn for turn in sleeper.turns("orders") if turn["state"] == "failed"])

    yard.place()
    settled(yard)
    assert once(yard)


# -- the way to the database -----------------------------------------------------------------------


def test_who_is_cut_off_without_a_word_keeps_nothing_from_the_others(yard):
    alone, other = yard.start("worker"), yard.start("worker")
    until(lambda: alone.begun and other.begun)
    yard.place(20)
    until(yard.erp.creates)
    alone.network.swallow()
    yard.place(4)
    settled(yard)
    alone.network.heal()
    yard.place(4)
    settled(yard)

    assert once(yard)
    assert alone.process.poll() is None


# -- another version -------------------------------------------------------------------------------


@pytest.fixture
def next_version(tmp_path):
    """The folder of a Crossdock that is called 99.0.0."""
    package = Path(crossdock.__file__).parent
    made = tmp_path / "next" / "crossdock"
    shutil.copytree(package, made)
    text = (made / "__init__.py").read_text()
    (made / "__init__.py").write_text(text.replace(f'"{crossdock.__version__}"', '"99.0.0"', 1))
    return made.parent


def test_workers_are_replaced_by_those_of_another_version_while_orders_come_in(yard, next_version):
    unhurried(yard)
    old = [yard.start("run", "--no-web"), yard.start("worker")]
    until(lambda: all(each.begun for each in old))
    yard.place(5)
    new = [yard.start(*words, tree=next_version) for words in (("run", "--no-web"), ("worker",))]
    until(lambda: all(each.begun for each in new))
    versions = {row[0] for row in yard.query("SELECT version FROM worker")}
    codes = []
    for each in old:
        yard.place(5)
        codes.append(each.stop())
    yard.place(5)
    settled(yard)

    assert versions == {crossdock.__version__, "99.0.0"}
    assert codes == [0, 0]
    assert once(yard)
    assert yard.shop.overlaps() == []


# -- everything together ---------------------------------------------------------------------------


def storm(yard: Fleet, dice: random.Random) -> None:
    """What happens to machines and their database, while orders come in; three machines are there, and stay."""
    living = [each for each in yard.machines if each.process.poll() is None]
    dice.shuffle(living)
    first, second, third = living
    yard.place(10)
    second.kill()
    yard.start(*dice.choice((("run", "--no-web"), ("worker",))))
    yard.place(10)
    third.network.cut()
    yard.place(10)
    yard.database.restart()
    yard.place(10)
    with psycopg.connect(yard.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    first.freeze()
    first.lost = True
    yard.place(20)
    settled(yard)
    first.thaw()


def test_in_a_storm_each_order_arrives_once_and_within_the_vendors_limits(yard):
    dice = random.Random(7)
    unhurried(yard)
    for words in (("run", "--no-web"), ("run", "--no-web"), ("worker",)):
        yard.start(*words)
    until(lambda: all(each.begun for each in yard.machines))
    for _ in range(ROUNDS):
        storm(yard, dice)
    yard.place()
    settled(yard)

    assert once(yard)
    assert len(yard.erp.creates()) >= yard.placed
    assert yard.shop.overlaps(but=[each.name for each in yard.machines if each.lost]) == []
    assert beyond(yard.erp.creates()) == []
