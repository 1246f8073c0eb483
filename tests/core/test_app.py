"""Connections: saved when verified, opened once, opened anew when they change."""

from __future__ import annotations

import attrs
import pytest

from crossdock.engine.push import push
from crossdock.errors import SettingsError, UsageError
from crossdock.store.store import Store


def test_a_connection_is_opened_once(world):
    assert world.app.open("shop") is world.app.open("shop")


def test_and_anew_when_another_process_changed_its_settings(world, database_url):
    before = world.app.open("shop")
    other = Store.open(database_url)
    row = other.config.connection("shop")
    other.config.save_connection(attrs.evolve(row, settings={**row.settings, "page_size": "7"}), world.clock.now())
    other.close()

    assert world.app.open("shop").session.settings.page_size == 7
    assert before.session.settings.page_size == 100


def test_who_works_with_a_connection_may_finish_after_it_changed(world):
    before = world.app.open("shop")
    world.connect("shop", page_size="7")
    world.app.open("shop")

    assert before.session.http.get("/ping").status == 200


def test_a_connection_that_does_not_verify_is_not_saved(world):
    world.shop.token = "changed"

    verified = world.app.save("third", "depot", world.shop.settings(world.urls["shop"]))

    assert not verified.green
    with pytest.raises(UsageError, match="There is no connection 'third'; there are: erp, shop"):
        world.app.row("third")


def test_a_draft_is_saved_unverified_and_cannot_be_opened(world):
    world.app.save("third", "depot", {"url": "http://127.0.0.1:1", "token": "x"}, draft=True)

    with pytest.raises(UsageError, match="The connection third is draft"):
        world.app.open("third")


def test_secrets_are_not_in_the_database(world):
    world.app.open("shop").session.http.get("/ping")
    world.app.open("shop").flush()
    dump = [str(row) for table in ("connection", "exchange", "event")
            for row in world.store.database.query(f"SELECT * FROM {table}")]  # fmt: skip

    assert world.shop.token not in "".join(dump)
    assert world.app.open("shop").session.settings.token.reveal() == world.shop.token


def test_a_red_verify_leaves_a_connection_as_it_is(world):
    world.shop.token = "changed"

    assert not world.app.verify("shop").green
    assert world.app.row("shop").state == "active"


def test_a_connection_that_a_flow_uses_is_not_removed(world):
    world.flow()

    with pytest.raises(UsageError, match="is used by the flow orders"):
        world.app.remove("shop")

    world.flow("balance", "erp", "shop")
    with pytest.raises(UsageError, match=r"is used by the flows balance, orders\."):
        world.app.remove("shop")


def test_a_removed_connection_takes_its_records_with_it(world):
    world.shop.order("1")
    world.pull()

    world.app.remove("shop")

    assert world.store.records.count("shop", "orders") == 0
    with pytest.raises(UsageError):
        world.app.open("shop")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "x" * 41])
def test_a_name_that_would_not_do_is_refused(world, name):
    with pytest.raises(SettingsError, match="no usable name"):
        world.app.save(name, "depot", {}, draft=True)


def test_a_push_needs_a_target_that_is_open(world):
    flow = world.flow()
    world.store.config.set_state("erp", "paused", "", world.clock.now())

    with pytest.raises(UsageError, match="erp is paused"):
        push(world.bench, flow)
