"""How much of single SKUs is kept back, and what the command line says of published stock."""

from __future__ import annotations

import json

import pytest

from crossdock.engine import decide
from crossdock.engine.reconcile import reconcile


@pytest.fixture
def server(sqlite_files):
    """What is asked of the database here is asked on both by the interleaved days."""
    return sqlite_files


@pytest.fixture
def flow(world):
    """The flow of stock to the shop, which keeps 1 piece of everything back; 10 of A and of B are there and shown."""
    world.flow()
    made = world.flow("balance", "erp", "shop", buffer=1)
    world.pull("erp", "balance")
    count(world, A=10, B=10)
    return made


def count(world, **counts):
    """The ERP counts, and it is read; then the orders of the shop."""
    world.erp.stock(**counts)
    world.pull("erp", "balance")
    world.pull()


def publish(world, flow):
    """What the shop shows after a push."""
    world.push(flow)
    return dict(world.shop.published)


def keep_back(world, sku, pieces, flow="balance"):
    decide.add_mappings(world.bench, [(flow, "buffer", sku, pieces)])


# -- how much is kept back ---------------------------------------------------------------------------


def test_a_sku_may_have_a_buffer_of_its_own(world, flow):
    keep_back(world, "A", "4")

    assert publish(world, flow) == {"A": "6", "B": "9"}


def test_a_buffer_of_none_keeps_nothing_back_of_one_sku(world, flow):
    keep_back(world, "A", "0")

    assert publish(world, flow) == {"A": "10", "B": "9"}


def test_a_new_buffer_lowers_what_is_shown_with_the_next_push(world, flow):
    publish(world, flow)

    keep_back(world, "A", "4")

    assert publish(world, flow) == {"A": "6", "B": "9"}


def test_a_buffer_that_is_removed_raises_it_again(world, flow):
    keep_back(world, "A", "4")
    publish(world, flow)

    decide.remove_mapping(world.bench, "balance", "buffer", "A")

    assert publish(world, flow) == {"A": "9", "B": "9"}


def test_a_flows_own_buffer_wins_over_that_of_every_flow(world, flow):
    keep_back(world, "A", "5", "*")
    keep_back(world, "B", "5", "*")
    keep_back(world, "A", "2")

    assert publish(world, flow) == {"A": "8", "B": "5"}


def test_a_buffer_is_named_as_the_stocks_own_system_names_it(world, flow):
    decide.add_mappings(world.bench, [("balance", "sku", "A", "SHOP-A")])
    keep_back(world, "A", "4")

    assert publish(world, flow) == {"SHOP-A": "6", "B": "9"}


def test_acceptance_keeps_a_skus_own_buffer_back(world, flow):
    accept = world.flow("acceptance")
    keep_back(world, "A", "8", accept.name)
    world.shop.order("1", status="pending", waits=True, lines=[{"sku": "A", "quantity": 3}])
    world.pull()

    world.push(accept)

    assert world.effect(accept).message == "Not enough can be sold: 3 of A are ordered and 2 are free."


def test_a_comparison_knows_the_buffer(world, flow):
    keep_back(world, "A", "4")
    publish(world, flow)
    world.shop.stock(**{sku: int(value) for sku, value in world.shop.published.items()})

    assert reconcile(world.bench, flow).matched == 2


@pytest.mark.parametrize("pieces", ["-1", "some", "NaN", "Infinity"])
def test_a_buffer_is_a_number_of_pieces(run, flow, pieces):
    assert "a buffer is how many pieces are kept back" in run(
        "map", "add", "--", "balance", "buffer", "A", pieces, code=2
    )


def test_only_flows_of_stock_have_buffers(run, flow):
    assert "only flows of balance and acceptance" in run("map", "add", "orders", "buffer", "A", "3", code=2)


def test_buffers_come_by_csv_and_go_as_configuration(run, world, flow, tmp_path):
    file = tmp_path / "buffers.csv"
    file.write_text("flow,kind,value,target\nbalance,buffer,A,4\n*,buffer,B,2.5\n")

    run("map", "import", str(file))

    assert publish(world, flow) == {"A": "6", "B": "7.5"}
    assert 'kind = "buffer"' in run("export")


def test_a_file_with_a_wrong_buffer_is_not_applied(run, flow, world):
    text = run("export") + '\n[[mappings]]\nkind = "buffer"\nvalue = "A"\ntarget = "many"\n'
    file = world.app.home / "project.toml"
    file.write_text(text)

    assert "a buffer is how many pieces are kept back, not 'many'" in run("apply", str(file), code=2)


# -- what is said of it ------------------------------------------------------------------------------


def listed(run, *words, code=0):
    return {each["sku"]: each for each in json.loads(run("stock", "list", *words, "--json", code=code))}


def test_what_is_shown_is_listed_with_its_parts(run, world, flow):
    publish(world, flow)
    world.shop.order("7", quantity=2)
    world.pull()
    publish(world, flow)

    row = listed(run)["A"]

    assert (row["published"], row["available"], row["buffer"], row["held"], row["free"]) == ("7", "10", "1", "2", "7")
    assert [(each["connection"], each["key"], each["quantity"]) for each in row["held_by"]] == [("shop", "7", "2")]
    assert (row["state"], row["waits"], row["as_of"]) == ("done", "", row["read_at"])


def test_a_value_that_waits_says_for_what_and_how_old_the_shown_one_is(run, world, flow):
    publish(world, flow)
    world.later(hours=1)
    world.connect("shop", broken="fetch_orders")
    world.erp.stock(A=12)
    world.pull("erp", "balance")
    world.push(flow)

    row = listed(run, "A")["A"]

    assert (row["published"], row["free"], row["state"]) == ("9", "11", "ready")
    assert row["waits"] == "Stock is raised later: the orders of shop have not been read since."
    assert row["as_of"] == row["published_at"] < row["read_at"]
    assert list(listed(run, "--waiting")) == ["A"]


def test_an_import_that_is_not_confirmed_counts_as_waiting(run, world, flow):
    world.connect("shop", "depot-importing")
    publish(world, flow)

    row = listed(run, "--flow", "balance")["A"]

    assert (row["published"], row["published_at"], row["waits"]) == (
        None, None, "The vendor's import J1 is not confirmed yet.",
    )  # fmt: skip


def test_one_sku_is_explained_for_a_person(run, world, flow):
    world.shop.order("7", quantity=2)
    world.pull()
    publish(world, flow)
    world.push(world.store.config.flow("orders"))

    said = run("stock", "list", "A")

    assert "2 held by order 7 of shop: handed on; the next stock that is read shows it" in said
    assert "shop (balance): 10 available" in said


def test_a_value_that_was_refused_needs_attention(run, world, flow):
    world.shop.unknown.add("A")
    publish(world, flow)

    assert listed(run, "A", code=1)["A"]["state"] == "parked"


def test_an_unknown_sku_is_said_so(run, flow):
    assert "No flow of stock knows the SKU 'Z'" in run("stock", "list", "Z", code=2)
    assert "There is no flow of stock 'orders'" in run("stock", "list", "--flow", "orders", code=2)


# -- sales that are not known --------------------------------------------------------------------------


def test_a_flow_of_stock_says_that_nothing_tells_it_what_is_sold(run, world):
    said = run("flow", "add", "stock", "balance", "erp", "shop", "--live")

    assert "Orders of shop do not go to erp: what they take is not taken off before erp shows it." in said
    assert "--buffer" in said


def test_a_flow_of_stock_says_that_orders_go_elsewhere(run, world, market):
    world.flow(target="market")

    said = run("flow", "add", "stock", "balance", "erp", "shop")

    assert "Orders of shop go to market, not to erp" in said
    assert "Orders of shop go to market, not to erp" in run("flow", "live", "stock")


@pytest.mark.parametrize("stream", ["orders", "acceptance"])
def test_a_flow_of_stock_whose_orders_are_known_says_nothing_of_it(run, world, stream):
    world.flow(stream)

    assert "Orders of shop" not in run("flow", "add", "stock", "balance", "erp", "shop")


def test_a_flow_of_stock_to_a_system_that_takes_orders_says_nothing_of_it(run, world, market):
    world.flow(source="market", target="shop")

    assert "Orders of shop" not in run("flow", "add", "stock", "balance", "erp", "shop")


def test_the_doctor_finds_stock_whose_sales_are_not_known(run, world):
    run("flow", "add", "stock", "balance", "erp", "shop", "--live")
    run("stream", "on", "erp", "balance")

    checks = json.loads(run("doctor", "--json", code=1))["checks"]

    (check,) = [each for each in checks if each["name"] == "Flow stock"]
    assert check["state"] == "warn"
    assert check["detail"].startswith("orders of shop do not go to erp")


def test_a_second_flow_of_the_same_stock_is_refused(run, world, flow):
    said = run("flow", "add", "more", "balance", "erp", "shop", code=2)

    assert "The flow balance publishes stock of erp in shop already" in said
    assert "Change that one" in said


def test_two_flows_of_stock_may_share_the_skus_of_a_target(run, world):
    run("flow", "add", "a", "balance", "erp", "shop", "--sku", "A", "--sku", "B")
    run("flow", "add", "c", "balance", "erp", "shop", "--sku", "C")

    said = run("flow", "add", "b", "balance", "erp", "shop", "--sku", "B", "--sku", "D", code=2)

    assert "The flow a publishes" in said
