"""Flows of acceptance and of statuses on the command line: added with options, shown, explained, exported."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def server(sqlite_files):
    """The command line is the same on both databases."""
    return sqlite_files


def waiting(world, key="1", quantity=1):
    world.shop.order(key, status="pending", waits=True, lines=[{"sku": "A", "quantity": quantity}])


def count(world, number):
    world.erp.stock(A=number)
    world.pull("erp", "balance")


# -- adding --------------------------------------------------------------------------------------------


def test_a_flow_of_acceptance_is_added_with_its_options(run):
    run("flow", "add", "accept", "acceptance", "shop", "erp", "--on-shortage", "refuse", "--buffer", "1",
        "--warehouse", "west")  # fmt: skip

    assert "Options: warehouse west, buffer 1, on-shortage refuse" in run("flow", "show", "accept")


def test_it_says_that_the_stream_it_reads_is_off(run):
    output = run("flow", "add", "accept", "acceptance", "shop", "erp")

    assert "orders of shop is off: crossdock stream on shop orders" in output


def test_a_flow_of_statuses_is_added_with_its_options(run):
    run("flow", "add", "progress", "statuses", "erp", "shop", "--statuses", "shipped,completed")

    assert "statuses shipped,completed" in run("flow", "show", "progress")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "acceptance", "shop", "erp", "--on-shortage", "beg"), "'beg' is not one of"),
        (("a", "acceptance", "shop", "shop"), "A flow goes from one connection to another."),
        (("a", "acceptance", "shop", "erp", "--totals", "hold"), "--totals is for flows of orders, not of acceptance."),
        (("a", "acceptance", "shop", "erp", "--statuses", "shipped"), "--statuses is for flows of orders, statuses"),
        (("a", "orders", "shop", "erp", "--on-shortage", "refuse"), "--on-shortage is for flows of acceptance, not of"),
        (("a", "statuses", "erp", "shop", "--statuses", "sent"), "There is no status 'sent'"),
        (("a", "statuses", "erp", "shop", "--buffer", "2"), "--buffer is for flows of balance, acceptance, not of"),
        (("a", "acceptance", "shop", "nowhere"), "There is no connection 'nowhere'"),
    ],
)
def test_a_flow_that_cannot_work_is_refused_with_the_reason(run, words, message):
    assert message in run("flow", "add", *words, code=2)


def test_a_connector_without_the_hook_is_refused(run, world):
    world.connect("shop", "depot-bare")

    assert "shop (Depot) cannot take acceptance: it has no accept_order." in run(
        "flow", "add", "a", "acceptance", "shop", "erp", code=2
    )
    assert "shop (Depot) cannot take statuses: it has no push_status and no push_statuses." in run(
        "flow", "add", "a", "statuses", "erp", "shop", code=2
    )


# -- shown before it is done ---------------------------------------------------------------------------


def test_a_plan_says_what_would_be_decided(run, world):
    run("flow", "add", "accept", "acceptance", "shop", "erp")
    count(world, 1)
    waiting(world, "1")
    waiting(world, "2", 5)
    world.pull()

    shown = run("flow", "show", "accept")

    assert "N1  10.00 EUR, 1 line, pending: would be accepted" in shown
    assert "Not enough can be sold: 5 of A are ordered and 1 are free. It would wait for a person." in shown


def test_a_plan_says_which_status_would_be_shown_and_what_is_not_ours(run, world):
    orders = world.flow()
    run("flow", "add", "progress", "statuses", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    world.erp.order("1000", status="shipped")
    world.erp.order("77")
    world.pull("erp")

    shown = run("flow", "show", "progress")

    assert "order 1 of shop: shipped" in shown
    assert "It is not known to come from shop." in shown


# -- explained -----------------------------------------------------------------------------------------


def test_the_story_of_an_order_that_waits_names_the_reason_and_the_next_step(run, world):
    flow = world.flow("acceptance")
    world.flow()
    count(world, 1)
    waiting(world, "1", 2)
    world.deliver(flow)
    number = world.effect(flow).id

    story = run("explain", "order", "N1", code=1)

    assert "Flow    acceptance, acceptance by the stock of erp (live): taken" in story
    assert f"{number}, awaiting: Not enough can be sold: 2 of A are ordered and 1 are free." in story
    assert "not taken, status pending" in story
    assert f"Next    crossdock effects approve {number}" in story


def test_the_story_of_an_accepted_order_tells_both_flows(run, world):
    flow, orders = world.flow("acceptance"), world.flow()
    count(world, 1)
    waiting(world)
    world.deliver(flow)
    world.deliver(orders)

    story = run("explain", "order", "N1")

    assert "acceptance by the stock of erp (live): taken" in story
    assert "done: Accepted." in story
    assert "erp knows it as 1000" in story


def test_the_story_of_the_targets_order_tells_whose_it_is_and_what_was_shown(run, world):
    orders, flow = world.flow(), world.flow("statuses", "erp", "shop")
    world.shop.order("1")
    world.deliver(orders)
    world.erp.order("1000", status="shipped")
    world.deliver(flow)

    story = run("explain", "order", "N1000")

    assert "status shown in shop (live): taken" in story
    assert "It came from shop" in story


def test_the_story_tells_that_a_status_does_not_concern_the_other_channel(run, world, market):
    orders = world.flow(source="market")
    world.flow("statuses", "erp", "shop")
    market.order("1")
    world.deliver(orders)
    world.pull("erp")

    assert "not taken, it did not come from shop" in run("explain", "order", "N1000", code=0)


# -- exported and compared -----------------------------------------------------------------------------


def test_what_is_exported_changes_nothing_when_it_is_applied(run, tmp_path):
    run("flow", "add", "accept", "acceptance", "shop", "erp", "--on-shortage", "refuse", "--buffer", "3")
    run("flow", "add", "progress", "statuses", "erp", "shop", "--statuses", "shipped")
    written = run("export")
    path = tmp_path / "project.toml"
    path.write_text(written)

    assert 'options.on_shortage = "refuse"' in written
    assert json.loads(run("apply", str(path), "--dry-run", "--json"))["differences"] == []


def test_what_was_exported_makes_the_same_flows_again(run, world, tmp_path):
    run("flow", "add", "accept", "acceptance", "shop", "erp", "--on-shortage", "refuse", "--buffer", "3")
    run("flow", "add", "progress", "statuses", "erp", "shop", "--statuses", "shipped")
    before = world.store.config.flows()
    path = tmp_path / "project.toml"
    path.write_text(run("export"))
    for name in ("accept", "progress"):
        run("flow", "remove", name, "--yes")

    run("apply", str(path), "--yes")

    assert world.store.config.flows() == before


def test_a_file_with_a_policy_that_does_not_exist_is_refused(run, tmp_path):
    run("flow", "add", "accept", "acceptance", "shop", "erp", "--on-shortage", "refuse")
    path = tmp_path / "project.toml"
    path.write_text(run("export").replace('"refuse"', '"beg"'))

    assert "on_shortage is one of hold, refuse, not 'beg'" in run("apply", str(path), "--yes", code=2)


@pytest.mark.parametrize("stream", ["acceptance", "statuses"])
def test_there_is_nothing_to_compare(run, world, stream):
    source, target = ("shop", "erp") if stream == "acceptance" else ("erp", "shop")
    run("flow", "add", "it", stream, source, target)

    output = run("reconcile", "it", code=2)

    assert f"A flow of {stream} leaves nothing on two sides that could be compared." in output
    assert "crossdock effects list --flow it" in output
