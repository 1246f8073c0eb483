"""What a pushed order adds up to."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import msgspec
import pytest
from connector_kit import order
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import Charge, Discount, Order, OrderLine, RecordError, Secret, Tax, evolve
from crossdock.mapping import total_difference
from crossdock_extendcommerce import wire
from crossdock_extendcommerce.mapping import to_order
from crossdock_extendcommerce.outgoing import from_order
from crossdock_extendcommerce.settings import Settings
from crossdock_extendcommerce.totals import gross_total, merged, split_tax

CONNECTION = Settings(
    api_url="https://server.example/RESTAPI", client="DEMO", username="u", password=Secret("p"), customer_number="K-1",
    freight_product="FR01", fee_product="FEE", discount_product="DISC", rounding_product="ROUND",
)  # fmt: skip
CENT = Decimal("0.01")
RATES = st.sampled_from([Decimal(each) for each in ("0", "6", "12", "19", "20", "25", "5.5", "8.1")])


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


@st.composite
def amounts(draw: st.DrawFn, includes_tax: bool, states_rate: bool) -> dict[str, object]:
    """Total, tax and taxes of a line as a shop states them; some shops round taxes, some keep four decimals."""
    rate = draw(RATES)
    net = draw(st.decimals("0.01", "9999.99", places=2))
    tax = net * rate / 100
    tax = cents(tax) if draw(st.booleans()) else tax.quantize(Decimal("0.0001"))
    taxes = (Tax(rate=rate if states_rate else None, amount=tax),) if rate else ()
    return {"total": net + tax if includes_tax else net, "tax": tax, "taxes": taxes}


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """An order of one to eight lines in either tax mode, with charges and a total that may be a cent off."""
    includes_tax, states_rate = draw(st.booleans()), draw(st.booleans())
    part = amounts(includes_tax, states_rate)
    quantity = st.integers(1, 500).map(Decimal) | st.decimals("0.1", "50", places=1)
    lines = tuple(
        OrderLine(key=f"l{index}", sku=f"S-{index}", quantity=draw(quantity), **draw(part))
        for index in range(draw(st.integers(1, 8)))
    )
    charges = tuple(
        Charge(key=f"c{index}", kind=draw(st.sampled_from(["shipping", "fee"])), **draw(part))
        for index in range(draw(st.integers(0, 2)))
    )
    parts: list[OrderLine | Charge] = [*lines, *charges]
    tax = sum((each.tax for each in parts), Decimal(0))
    total = sum((each.total for each in parts), Decimal(0)) + (0 if includes_tax else tax)
    wobble = draw(st.sampled_from([Decimal(each) for each in ("0", "0.01", "-0.01", "0.02")]))
    return order(
        lines=lines, charges=charges, prices_include_tax=includes_tax, total_tax=tax, total=cents(total) + wobble
    )


def read_back(body: wire.CustomerOrder) -> Order:
    """The order as it is read again after it was sent."""
    sent = msgspec.json.decode(bytes(wire.body(body)), type=wire.CustomerOrder)
    assert sent.order_header is not None
    sent.order_header.order_number = "7004512"
    sent.order_header.order_status = "Incoming"
    return to_order(sent)


@given(orders())
@settings(max_examples=200, deadline=None)
def test_the_total_that_is_read_back_is_the_total_that_was_sent(sent: Order) -> None:
    back = read_back(from_order(sent, "key", CONNECTION))
    assert back.total == sent.total
    assert total_difference(back) == 0


@given(orders())
@settings(max_examples=100, deadline=None)
def test_each_line_keeps_its_quantity_and_its_net_amount(sent: Order) -> None:
    back = {line.key: line for line in read_back(from_order(sent, "key", CONNECTION)).lines}
    for line in sent.lines:
        net = line.total - line.tax if sent.prices_include_tax else line.total
        assert back[line.key].quantity == line.quantity
        assert abs(back[line.key].total - net) <= CENT


@given(orders(), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_splitting_a_row_for_partial_delivery_leaves_the_total_alone(sent: Order, tenths: int) -> None:
    rows = from_order(sent, "key", CONNECTION).order_rows or []
    split: list[wire.OrderRow] = []
    for row in rows:
        assert row.sales_data is not None
        whole = row.sales_data.quantity or Decimal(0)
        first = whole * tenths / 10
        for sub, part in enumerate((first, whole - first)):
            sold = msgspec.structs.replace(row.sales_data, quantity=part)
            split.append(msgspec.structs.replace(row, sub_position=sub, sales_data=sold))
    assert gross_total(split, "SEK") == gross_total(rows, "SEK") == sent.total
    assert len(merged(split)) == len(rows)


def test_unit_prices_have_at_most_six_decimals() -> None:
    sent = order(lines=(OrderLine(key="1", sku="A", quantity=Decimal(3), total=Decimal(10)),), charges=(),
                 total=Decimal(10), total_tax=Decimal(0))  # fmt: skip
    rows = from_order(sent, "key", CONNECTION).order_rows or []
    assert [row.sales_data and row.sales_data.unit_price for row in rows] == [Decimal("3.333333")]


def test_the_rounding_row_carries_the_remainder() -> None:
    rows = from_order(order(total=Decimal("1171.01")), "key", CONNECTION).order_rows or []
    assert rows[-1].supply_mode == "Round"
    assert rows[-1].sales_data is not None
    assert rows[-1].sales_data.unit_price == CENT
    assert rows[-1].position == 30


def test_an_order_that_is_off_by_more_than_rounding_is_refused() -> None:
    with pytest.raises(RecordError, match=r"1000\.00 is more than rounding") as caught:
        from_order(order(total=Decimal("171.00")), "key", CONNECTION)
    assert caught.value.path == "total"


def test_a_voucher_outside_the_lines_takes_its_tax_with_it() -> None:
    sent = order(
        discounts=(Discount(code="SUMMER", amount=Decimal(100), in_lines=False),), total=Decimal("1046.00"),
        total_tax=Decimal("209.20"),
    )  # fmt: skip
    row = (from_order(sent, "key", CONNECTION).order_rows or [])[-1]
    assert row.supply_mode == "Discount"
    assert row.sales_data is not None
    assert (row.sales_data.unit_price, row.sales_data.vat_percent) == (Decimal(-100), Decimal(25))


@pytest.mark.parametrize(("includes_tax", "total"), [(False, "100"), (True, "125")])
def test_a_document_that_states_only_rates_is_taxed_by_them(includes_tax: bool, total: str) -> None:
    line = OrderLine(key="1", sku="A", quantity=Decimal(1), total=Decimal(total), taxes=(Tax(rate=Decimal(25)),))
    sent = order(lines=(line,), charges=(), prices_include_tax=includes_tax, total=Decimal(125), total_tax=Decimal(25))
    back = read_back(from_order(sent, "key", CONNECTION))
    assert (back.total, back.total_tax, len(back.lines)) == (Decimal(125), Decimal(25), 1)


@pytest.mark.parametrize(("net", "tax", "percent"), [
    ("100.00", "25.00", "25"), ("7.99", "1.52", "19"), ("100.00", "8.10", "8.1"), ("0.40", "0.10", "25"),
    ("1234.56", "67.90", "5.5"),
])  # fmt: skip
def test_a_missing_rate_is_worked_out_with_the_fewest_decimals(net: str, tax: str, percent: str) -> None:
    found = split_tax(Decimal(net), Decimal(tax), (), includes_tax=False, currency="SEK")
    assert found == (Decimal(net), Decimal(percent))


def test_a_rate_that_does_not_explain_the_tax_gives_way_to_the_amounts() -> None:
    taxes = (Tax(rate=Decimal(25), amount=Decimal("12.00")),)
    assert split_tax(Decimal(100), Decimal(12), taxes, includes_tax=False, currency="SEK")[1] == 12


def test_yen_are_whole() -> None:
    line = OrderLine(key="1", sku="A", quantity=Decimal(3), total=Decimal(1000), tax=Decimal(100))
    sent = order(lines=(line,), charges=(), currency="JPY", total=Decimal(1100), total_tax=Decimal(100))
    back = read_back(from_order(sent, "key", CONNECTION))
    assert (back.total, back.currency) == (Decimal(1100), "JPY")


@pytest.mark.parametrize("kind", ["shipping", "fee"])
def test_a_charge_without_an_article_says_which_setting_is_missing(kind: str) -> None:
    bare = evolve(CONNECTION, freight_product="", fee_product="")
    sent = order(charges=(Charge(kind=kind, total=Decimal(10)),), total=Decimal(1132))
    with pytest.raises(RecordError, match="names no article") as caught:
        from_order(sent, "key", bare)
    assert caught.value.path in caught.value.hint
