"""Stock and price files, and what became of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mirakl_kit import Operator, open_session

from crossdock import Balance, Outcome, Price, RecordError, StillRunning, TransientError, evolve
from crossdock_mirakl import plugin, pricing, shopwire
from crossdock_mirakl.api import Platform

D = Decimal
MANY = tuple(f"S-{number:04d}" for number in range(330))


def stock(sku: str, available: int | str, warehouse: str = "") -> Balance:
    return Balance(sku=sku, available=D(available), warehouse=warehouse)


def price(sku: str, amount: str, **changes: Any) -> Price:
    return Price(**{"sku": sku, "amount": D(amount), "currency": "EUR", "includes_tax": True, **changes})


def job_of(outcomes: Sequence[Outcome]) -> str:
    return next(each.job for each in outcomes if each.state == "submitted")


def settled(operator: Operator, job: str) -> dict[str, Outcome]:
    """The outcomes by key once the import is through."""
    while isinstance(answer := plugin.check_job(operator.session, job), StillRunning):
        operator.sandbox.advance(answer.wait)
    return {each.key: each for each in answer}


def standing(operator: Operator, sku: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator.sandbox.state()["offers"][sku]["prices"]
    return found


# -- stock -------------------------------------------------------------------------------------------


def test_stock_goes_in_one_file_and_is_done_when_the_import_is(operator: Operator) -> None:
    pushed = list(plugin.push_balance(operator.session, [stock("P-100", 3), stock("P-101", 0)]))
    assert [each.state for each in pushed] == ["submitted", "submitted"]
    done = settled(operator, job_of(pushed))
    assert {key: each.state for key, each in done.items()} == {"P-100": "done", "P-101": "done"}
    assert (operator.sandbox.state()["stock"]["P-100"], operator.sandbox.state()["stock"]["P-101"]) == (3, 0)
    assert len(operator.asked("POST")) == 1


def test_nothing_else_of_an_offer_changes_with_its_stock(operator: Operator) -> None:
    operator.sandbox.set_offer("P-100", description="Keep me")
    before = operator.sandbox.state()["offers"]["P-100"]
    settled(operator, job_of(list(plugin.push_balance(operator.session, [stock("P-100", 7)]))))
    assert operator.sandbox.state()["offers"]["P-100"] == {**before, "quantity": 7}


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_each_line_in_error_is_put_on_its_own_sku(operator: Operator, order: str) -> None:
    operator.sandbox.report_order(order)
    for sku in ("P-101", "P-104", "P-106"):
        operator.sandbox.fail_lines(sku, f"Moderated: {sku}")
    balances = [stock(f"P-{number}", 9) for number in (107, 101, 103, 104, 100, 106, 102)]
    done = settled(operator, job_of(list(plugin.push_balance(operator.session, balances))))
    assert {key: each.message for key, each in done.items() if each.state == "rejected"} == {
        sku: f"Moderated: {sku}" for sku in ("P-101", "P-104", "P-106")
    }
    assert {key for key, each in done.items() if each.state == "done"} == {"P-100", "P-102", "P-103", "P-107"}


def test_an_unknown_sku_is_a_gap(operator: Operator) -> None:
    done = settled(operator, job_of(list(plugin.push_balance(operator.session, [stock("NO@1", 1), stock("P-100", 1)]))))
    gap = done["NO@1"].gap
    assert gap is not None
    assert (gap.kind, gap.value) == ("sku", "NO@1")
    assert done["P-100"].state == "done"


def test_a_failed_import_rejects_all_with_the_reason(operator: Operator) -> None:
    operator.sandbox.set_import_fate("FAILED")
    pushed = list(plugin.push_balance(operator.session, [stock("P-100", 1), stock("P-101", 1)]))
    done = settled(operator, job_of(pushed))
    assert [each.state for each in done.values()] == ["rejected", "rejected"]
    assert all("could not work off the file" in each.message for each in done.values())


def test_an_import_that_never_ends_keeps_running(operator: Operator) -> None:
    operator.sandbox.set_import_fate("STUCK")
    job = job_of(list(plugin.push_balance(operator.session, [stock("P-100", 1)])))
    assert all(isinstance(plugin.check_job(operator.session, job), StillRunning) for _ in range(5))


def test_pieces_are_whole_and_never_negative(operator: Operator) -> None:
    half, owed = plugin.push_balance(operator.session, [stock("P-100", "1.5"), stock("P-101", -3)])
    assert (half.state, half.path) == ("rejected", "available")
    settled(operator, owed.job)
    assert operator.sandbox.state()["stock"]["P-101"] == 0


def test_stock_goes_to_the_named_warehouse_or_the_configured_one(operators: Callable[..., Operator]) -> None:
    operator = operators(connect={"warehouse": "LYON"})
    balances = [stock("P-100", 2), stock("P-101", 3, "LILLE")]
    settled(operator, job_of(list(plugin.push_balance(operator.session, balances))))
    offers = operator.sandbox.state()["offers"]
    assert (offers["P-100"]["warehouses"]["LYON"], offers["P-101"]["warehouses"]["LILLE"]) == (2, 3)


@pytest.mark.parametrize("delimiter", ["COMMA", "SEMICOLON"])
def test_files_are_written_and_read_with_the_operators_delimiter(
    operators: Callable[..., Operator], delimiter: str
) -> None:
    operator = operators(delimiter=delimiter, skus=['A;"1,2"', "B"])
    balances = [stock('A;"1,2"', 4), stock("NO", 1), stock("B", 5)]
    done = settled(operator, job_of(list(plugin.push_balance(operator.session, balances))))
    assert {key: each.state for key, each in done.items()} == {'A;"1,2"': "done", "NO": "rejected", "B": "done"}


def test_a_lost_answer_is_passing_trouble(operator: Operator) -> None:
    operator.sandbox.fault("cut_after", method="POST", path="stock/imports")
    with pytest.raises(TransientError):
        list(plugin.push_balance(operator.session, [stock("P-100", 1)]))
    assert len(operator.asked("POST")) == 1


def test_a_report_that_names_too_few_lines_confirms_nothing(operator: Operator) -> None:
    job = job_of(list(plugin.push_balance(operator.session, [stock("NO", 1), stock("P-100", 1)])))
    operator.sandbox.finish_imports()
    operator.sandbox.fault("status", path="error_report", status=200, body="")
    with pytest.raises(TransientError, match="counts 1 lines"):
        plugin.check_job(operator.session, job)


def test_lines_that_count_the_header_are_recognised_by_their_skus(operator: Operator) -> None:
    job = job_of(list(plugin.push_balance(operator.session, [stock(f"P-10{number}", 1) for number in range(4)])))
    operator.sandbox.finish_imports()
    status = '{"status":"COMPLETE","has_error_report":true,"lines_in_error":2}'
    operator.sandbox.fault("status", path="/status", status=200, body=status)
    report = "4;P-102 is moderated\n2;P-100 is moderated\n"
    operator.sandbox.fault("status", path="error_report", status=200, body=report)
    done = settled(operator, job)
    assert {key for key, each in done.items() if each.state == "rejected"} == {"P-100", "P-102"}


def test_one_file_a_minute_is_the_limit(operators: Callable[..., Operator]) -> None:
    operator = operators(strict_limits=True, connect={"paced": True})
    list(plugin.push_balance(operator.session, [stock("P-100", 1)]))
    with pytest.raises(TransientError, match="stock"):
        list(plugin.push_balance(operator.session, [stock("P-100", 2)]))
    operator.sandbox.advance(60)
    list(plugin.push_balance(operator.session, [stock("P-100", 2)]))


def test_an_import_that_is_no_longer_known_is_sent_again(operator: Operator) -> None:
    job = job_of(list(plugin.push_balance(operator.session, [stock("P-100", 1)])))
    operator.sandbox.finish_imports()
    other = open_session(operator.sandbox, operator.sandbox.base_url)
    with pytest.raises(RecordError, match="no longer known"):
        plugin.check_job(other, job)
    other.http.close()


def test_what_is_remembered_of_imports_is_forgotten_after_a_week(operator: Operator) -> None:
    first = job_of(list(plugin.push_balance(operator.session, [stock("P-100", 1)])))
    operator.sandbox.advance(8 * 86400)
    list(plugin.push_balance(operator.session, [stock("P-100", 2)]))
    assert operator.session.memory.items(f"lines {first.partition(':')[2]}") == {}


# -- prices ------------------------------------------------------------------------------------------


def test_a_price_is_done_when_the_import_is(operator: Operator) -> None:
    pushed = list(plugin.push_prices(operator.session, [price("P-100", "12.50")]))
    assert settled(operator, job_of(pushed))["P-100|||EUR|1"].state == "done"
    assert operator.sandbox.state()["prices"]["P-100"] == "12.50"


def test_prices_that_were_not_handed_in_stay(operator: Operator) -> None:
    operator.sandbox.set_price("P-100", "30", channel="ES", discount="25")
    settled(operator, job_of(list(plugin.push_prices(operator.session, [price("P-100", "12.50")]))))
    kept = {tuple(each["channels"]): (each["price"], each["discount"]) for each in standing(operator, "P-100")}
    assert kept == {(): ("12.50", None), ("ES",): ("30", "25")}


def test_tiers_of_one_offer_go_together(operator: Operator) -> None:
    tiers = [price("P-100", "12.50"), price("P-100", "11.00", from_quantity=D(10))]
    done = settled(operator, job_of(list(plugin.push_prices(operator.session, tiers))))
    assert [each.state for each in done.values()] == ["done", "done"]
    assert standing(operator, "P-100")[0]["ranges"] == [[1, "12.50"], [10, "11.00"]]


def test_a_list_price_above_the_amount_is_a_discount_and_ends_without_one(operator: Operator) -> None:
    settled(operator, job_of(list(plugin.push_prices(operator.session, [price("P-100", "10", list_price=D("15"))]))))
    assert (standing(operator, "P-100")[0]["price"], standing(operator, "P-100")[0]["discount"]) == ("15", "10")
    settled(operator, job_of(list(plugin.push_prices(operator.session, [price("P-100", "15")]))))
    assert standing(operator, "P-100")[0]["discount"] is None


def test_a_set_that_is_still_imported_is_not_undone_by_the_next(operator: Operator) -> None:
    first = job_of(list(plugin.push_prices(operator.session, [price("P-100", "12.50")])))
    second = job_of(list(plugin.push_prices(operator.session, [price("P-100", "11", from_quantity=D(10))])))
    settled(operator, first)
    settled(operator, second)
    assert standing(operator, "P-100")[0]["ranges"] == [[1, "12.50"], [10, "11"]]


@pytest.mark.parametrize("order", ["sorted", "shuffled"])
def test_an_error_in_an_offer_rejects_all_its_prices_and_no_others(operator: Operator, order: str) -> None:
    operator.sandbox.report_order(order)
    operator.sandbox.fail_lines("P-101", "Moderated: P-101")
    handed = [
        price("P-100", "5"), price("P-101", "6"), price("P-101", "7", price_list="ES"), price("P-102", "8"),
    ]  # fmt: skip
    done = settled(operator, job_of(list(plugin.push_prices(operator.session, handed))))
    assert {key: each.state for key, each in done.items()} == {
        "P-100|||EUR|1": "done", "P-101|||EUR|1": "rejected", "P-101|ES||EUR|1": "rejected", "P-102|||EUR|1": "done",
    }  # fmt: skip


def test_an_unknown_sku_is_a_gap_before_anything_is_sent(operator: Operator) -> None:
    (outcome,) = plugin.push_prices(operator.session, [price("NO", "1")])
    assert outcome.gap is not None
    assert (outcome.state, outcome.gap.value, operator.asked("POST")) == ("rejected", "NO", [])


def test_a_failed_price_import_rejects_all(operator: Operator) -> None:
    operator.sandbox.set_import_fate("FAILED")
    done = settled(operator, job_of(list(plugin.push_prices(operator.session, [price("P-100", "5")]))))
    assert done["P-100|||EUR|1"].state == "rejected"


def test_prices_of_many_offers_are_merged_with_the_export(operators: Callable[..., Operator]) -> None:
    operator = operators(skus=MANY)
    operator.sandbox.set_price("S-0003", "99", channel="FR", discount="90")
    pushed = list(plugin.push_prices(operator.session, [price(sku, "5") for sku in MANY]))
    assert {each.state for each in settled(operator, job_of(pushed)).values()} == {"done"}
    kept = {tuple(each["channels"]): (each["price"], each["discount"]) for each in standing(operator, "S-0003")}
    assert kept == {(): ("5", None), ("FR",): ("99", "90")}
    assert operator.asked("POST", "offers/export/async")


@pytest.mark.parametrize(("changes", "path"), [
    ({"currency": "USD"}, "currency"), ({"customer": "C"}, "customer"), ({"amount": D("1.005")}, "amount"),
    ({"amount": D(-1)}, "amount"), ({"price_list": "XX"}, "price_list"), ({"includes_tax": False}, "tax_rate"),
    ({"from_quantity": D("1.5")}, "from_quantity"), ({"valid_from": datetime(2026, 1, 1, tzinfo=UTC)}, "valid_from"),
])  # fmt: skip
def test_what_mirakl_cannot_hold_is_refused_before_sending(
    operators: Callable[..., Operator], changes: dict[str, Any], path: str
) -> None:
    operator = operators(connect={"facts": {"channels": ["FR", "ES"]}})
    (outcome,) = plugin.push_prices(operator.session, [evolve(price("P-100", "5"), **changes)])
    assert (outcome.state, outcome.path, operator.asked("POST")) == ("rejected", path, [])


@pytest.mark.parametrize(("options", "changes"), [
    ({"volume_pricing": False}, {"from_quantity": D(10)}), ({"channel_pricing": "DISABLED"}, {"price_list": "FR"}),
])  # fmt: skip
def test_kinds_of_prices_that_the_operator_switched_off_are_refused(
    operators: Callable[..., Operator], options: dict[str, Any], changes: dict[str, Any]
) -> None:
    operator = operators(**options)
    (outcome,) = plugin.push_prices(operator.session, [evolve(price("P-100", "5"), **changes)])
    assert outcome.state == "rejected"


def test_a_price_of_the_other_tax_mode_is_converted_with_its_rate(operator: Operator) -> None:
    net = price("P-100", "10.00", includes_tax=False, tax_rate=D(20))
    settled(operator, job_of(list(plugin.push_prices(operator.session, [net]))))
    assert operator.sandbox.state()["prices"]["P-100"] == "12.00"


def test_a_tier_without_a_first_price_is_refused() -> None:
    with pytest.raises(RecordError, match="from one piece on"):
        pricing.merged([], [price("A", "5", from_quantity=D(10))])


def test_prices_of_single_customers_are_never_deleted() -> None:
    context = shopwire.PriceContext(customer_group_ids=["VIP"])
    offer = shopwire.Offer(shop_sku="A", all_prices=[shopwire.OfferPrice(context=context, price=D(5))])
    with pytest.raises(RecordError, match="single customers"):
        pricing.standing(offer, datetime(2026, 3, 10, tzinfo=UTC))


def test_an_offer_whose_prices_are_not_told_is_left_alone() -> None:
    with pytest.raises(RecordError, match="tells no prices"):
        pricing.standing(shopwire.Offer(shop_sku="A", price=D(5)), datetime(2026, 3, 10, tzinfo=UTC))


def test_more_than_fifty_prices_are_refused() -> None:
    tiers = [price("A", "5", from_quantity=D(number)) for number in range(1, 52)]
    with pytest.raises(RecordError, match="50 prices"):
        pricing.merged([], tiers)


def test_a_discount_that_is_over_is_not_sent_again() -> None:
    over = shopwire.OfferPrice(
        price=D(5), unit_origin_price=D(5), unit_discount_price=D(4), discount_end_date="2026-03-01T00:00:00Z"
    )
    (entry,) = pricing.standing(shopwire.Offer(shop_sku="A", all_prices=[over]), datetime(2026, 3, 10, tzinfo=UTC))
    assert (entry.tiers["1"].discount, entry.discount_end) == (None, None)


# -- properties --------------------------------------------------------------------------------------

amounts = st.integers(1, 10**7).map(lambda cents: D(cents) / 100)
prices = st.lists(
    st.builds(
        Price, sku=st.just("A"), amount=amounts, currency=st.just("EUR"), includes_tax=st.just(True),
        from_quantity=st.integers(1, 20).map(Decimal), price_list=st.sampled_from(["", "FR", "ES|FR"]),
        list_price=st.none() | amounts,
    ),
    max_size=12, unique_by=lambda each: each.key,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(prices, prices)
def test_a_set_holds_every_price_that_stood_or_was_handed_in(present: list[Price], handed: list[Price]) -> None:
    def first(lists: list[Price]) -> list[Price]:
        return [price("A", "1", price_list=each) for each in {each.price_list for each in lists}]

    before = pricing.merged([], first([*present, *handed]) + present)
    after = pricing.merged(before, handed)
    tiers = {(entry.channels, start): tier for entry in after for start, tier in entry.tiers.items()}
    assert {(entry.channels, start) for entry in before for start in entry.tiers} <= set(tiers)
    for each in handed:
        tier = tiers[tuple(sorted(filter(None, each.price_list.split("|")))), str(each.from_quantity)]
        assert (tier.price if tier.discount is None else tier.discount) == each.amount


@settings(max_examples=80, deadline=None)
@given(prices)
def test_the_file_holds_the_exact_digits(handed: list[Price]) -> None:
    complete = [price("A", "1", price_list=each) for each in {each.price_list for each in handed}] + handed
    rows = list(pricing.rows("A", pricing.merged([], complete)))
    text = io.StringIO()
    csv.writer(text, delimiter=";", quoting=csv.QUOTE_ALL).writerows(rows)
    cells = [part for row in rows for cell in (*row[1:3], *row[6:8]) for part in cell.split(",") if part]
    assert {each.amount for each in handed} - {D(1)} <= {D(part.rpartition("|")[2]) for part in cells}
    assert "E" not in text.getvalue().replace("ES", "")


def test_features_that_are_not_told_are_allowed() -> None:
    assert (Platform().volume_pricing, Platform().channel_pricing, Platform().own_carriers) == (True, True, True)
