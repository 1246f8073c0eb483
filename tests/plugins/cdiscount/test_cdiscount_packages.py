"""Stock and prices through offer packages: a SKU is done when each of its channels took it, and only then."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from cdiscount_kit import NOW, DictMemory
from hypothesis import given
from hypothesis import strategies as st

from crossdock import Balance, Gap, Outcome, Price, RecordError, StillRunning, TransientError
from crossdock_cdiscount import packages, plugin
from crossdock_cdiscount.stocking import price_body

ALL = ("CDISFR", "EXAMPLEPL", "EXAMPLESE")


def balance(sku: str = "P-100", quantity: object = 7, **changes: Any) -> Balance:
    return Balance(sku=sku, available=Decimal(str(quantity)), **changes)


def price(sku: str = "P-100", amount: object = "12.50", **changes: Any) -> Price:
    return Price(**{"sku": sku, "amount": Decimal(str(amount)), "currency": "EUR", "includes_tax": True, **changes})


def settled(session, outcomes: list[Outcome]) -> dict[str, Outcome]:
    """The outcomes once all jobs are final, asked as the engine asks."""
    final = {outcome.key: outcome for outcome in outcomes if outcome.state != "submitted"}
    for job in {outcome.job for outcome in outcomes if outcome.state == "submitted"}:
        for _ in range(5):
            answer = plugin.check_job(session, job)
            if not isinstance(answer, StillRunning):
                final.update({outcome.key: outcome for outcome in answer})
                break
    return final


def stocked(session, *balances: Balance) -> dict[str, Outcome]:
    return settled(session, list(plugin.push_balance(session, balances)))


def priced(session, *prices: Price) -> dict[str, Outcome]:
    return settled(session, list(plugin.push_prices(session, prices)))


def sent(shop) -> dict[str, list[str]]:
    """The references of all packages by channel."""
    found: dict[str, list[str]] = {}
    for package in shop.twin.state()["packages"]:
        references = [each["sellerExternalReference"] for each in package["requests"]]
        found.setdefault(package["salesChannelId"], []).extend(references)
    return found


# -- the way of a package --------------------------------------------------------------------------


def test_stock_is_submitted_and_done_when_all_channels_took_it(shops):
    shop = shops()
    session = shop.connect()

    (submitted,) = plugin.push_balance(session, [balance()])

    assert submitted.state == "submitted"
    assert settled(session, [submitted])["P-100"].state == "done"
    assert shop.twin.state()["stock"]["P-100"] == 7
    assert sent(shop) == {channel: ["P-100"] for channel in ALL}


def test_a_package_is_an_update_and_its_channel_is_in_the_header(shops):
    shop = shops()

    stocked(shop.connect(sales_channels="EXAMPLEPL"), balance())

    assert [(each["packageType"], each["salesChannelId"]) for each in shop.twin.state()["packages"]] == [
        ("Update", "EXAMPLEPL")
    ]


def test_while_packages_are_worked_on_the_job_is_still_running(shops):
    session = shops(polls=2).connect()
    (submitted,) = plugin.push_balance(session, [balance()])

    states = [isinstance(plugin.check_job(session, submitted.job), StillRunning) for _ in range(3)]

    assert states == [True, True, False]


def test_a_job_can_be_asked_again_after_it_was_final(shops):
    session = shops().connect()
    (submitted,) = plugin.push_balance(session, [balance()])
    first = settled(session, [submitted])

    assert settled(session, [submitted]) == first


def test_a_thousand_values_go_a_hundred_a_call(shops):
    skus = [f"S-{number}" for number in range(250)]
    shop = shops(skus=skus, channels=("CDISFR",))

    done = stocked(shop.connect(), *(balance(sku) for sku in skus))

    assert {outcome.state for outcome in done.values()} == {"done"}
    assert len(done) == 250
    assert len(shop.asked("POST", "/offer-requests")) == 3


def test_results_of_several_pages_are_all_read(shops, monkeypatch):
    monkeypatch.setattr(packages, "_LIMIT", 4)
    skus = [f"S-{number}" for number in range(11)]
    shop = shops(skus=skus, channels=("CDISFR",))
    shop.twin.refuse_offer("S-9", "invented: blocked")

    done = stocked(shop.connect(), *(balance(sku) for sku in skus))

    assert [key for key, outcome in done.items() if outcome.state == "rejected"] == ["S-9"]
    assert len(shop.asked("GET", "/offer-requests-results")) == 3


def test_jobs_stay_short_however_many_values_they_have(shops):
    skus = [f"S-{number}" for number in range(250)]
    session = shops(skus=skus).connect()

    outcomes = list(plugin.push_balance(session, [balance(sku) for sku in skus]))

    assert len({outcome.job for outcome in outcomes}) == 1
    assert len(outcomes[0].job) < 400


def test_jobs_that_were_read_are_forgotten_later(shops):
    shop, memory = shops(), DictMemory()
    session = shop.connect(memory)
    stocked(session, balance())
    shop.twin.advance(4000)

    stocked(session, balance(quantity=6))

    assert [len(rows) for table, rows in memory.tables.items() if table.startswith("job ")] == [0, 1]


def test_another_connectors_job_is_refused(shops):
    with pytest.raises(RecordError, match="none of this connector's"):
        plugin.check_job(shops().connect(), "import-17")


# -- refusals --------------------------------------------------------------------------------------


def test_a_refused_offer_in_an_integrated_package_is_a_failure_of_that_offer(shops):
    shop = shops()
    shop.twin.refuse_offer("P-100", "invented: forbidden product", "EXAMPLEPL")

    done = stocked(shop.connect(), balance("P-100"), balance("P-101"))

    assert (done["P-100"].state, done["P-101"].state) == ("rejected", "done")
    assert "EXAMPLEPL refused it: 8000 invented: forbidden product" in done["P-100"].message
    assert "Taken by CDISFR, EXAMPLESE" in done["P-100"].message


def test_a_rejected_package_fails_all_its_offers(shops):
    shop = shops(channels=("CDISFR",))
    shop.twin.reject_next_package()

    done = stocked(shop.connect(), balance("P-100"), balance("P-101"))

    assert {outcome.state for outcome in done.values()} == {"rejected"}
    assert all("CDISFR refused it: the whole package was rejected" in outcome.message for outcome in done.values())


def test_a_rejected_package_of_one_channel_names_it(shops):
    shop = shops()
    shop.twin.reject_next_package()

    done = stocked(shop.connect(), balance())

    assert "CDISFR refused it" in done["P-100"].message
    assert "Taken by EXAMPLEPL, EXAMPLESE" in done["P-100"].message


def test_a_duplicated_result_is_a_refusal(shops):
    shop = shops(channels=("CDISFR",))
    body = json.dumps({"items": [{"sellerExternalReference": "P-100", "integrationStatus": "Duplicated"}]})
    shop.twin.fault("status", path="/offer-requests-results", status=200, body=body,
                    headers={"Content-Type": "application/json"})  # fmt: skip

    done = stocked(shop.connect(), balance())

    assert "twice" in done["P-100"].message


def test_an_offer_that_the_results_do_not_name_is_not_taken_for_done(shops):
    shop = shops(channels=("CDISFR",))
    shop.twin.fault("status", path="/offer-requests-results", status=200, body='{"items":[]}',
                    headers={"Content-Type": "application/json"})  # fmt: skip

    done = stocked(shop.connect(), balance())

    assert done["P-100"].state == "rejected"


def test_one_request_that_is_refused_at_once_does_not_stop_the_others(shops, monkeypatch):
    shop = shops(channels=("CDISFR",), skus=[f"S-{number}" for number in range(9)])
    session = shop.connect()
    rows = [packages.Item(f"k{n}", f"S-{n}", {"quantity": n if n != 4 else "four"}, ("CDISFR",)) for n in range(9)]

    done = settled(session, list(packages.submit(session, rows)))

    assert [key for key, outcome in done.items() if outcome.state == "rejected"] == ["k4"]
    assert "whole number" in done["k4"].message
    assert "(trace " in done["k4"].message


def test_the_same_reference_is_never_twice_in_a_package(shops):
    shop = shops(channels=("CDISFR",))

    done = stocked(shop.connect(), balance(warehouse="A"), balance(quantity=9, warehouse="B"))

    assert sent(shop) == {"CDISFR": ["P-100"]}
    assert (done["P-100@A"].state, done["P-100@B"].state) == ("done", "rejected")


# -- which channel has which offer -----------------------------------------------------------------


def test_an_offer_that_is_nowhere_is_a_gap_that_says_what_to_do(shops):
    shop = shops()

    done = stocked(shop.connect(), balance("NEW-1"))

    assert done["NEW-1"].gap == Gap("sku", "NEW-1")
    assert "make the offer in Octopia first" in done["NEW-1"].message
    assert sent(shop) == {}


def test_an_offer_is_sent_only_to_channels_that_have_it(shops):
    shop = shops()
    shop.twin.add_offer("ONLY-PL", channel="EXAMPLEPL")

    done = stocked(shop.connect(), balance("ONLY-PL"))

    assert done["ONLY-PL"].state == "done"
    assert sent(shop) == {"EXAMPLEPL": ["ONLY-PL"]}


def test_what_a_channel_has_is_remembered(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    stocked(session, balance())
    shop.twin.requests.clear()

    stocked(session, balance(quantity=6))

    assert shop.asked("GET", "/offers") == []


def test_an_offer_that_was_refused_is_asked_for_again(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    shop.twin.refuse_offer("P-100", "gone")
    stocked(session, balance())
    shop.twin.requests.clear()

    stocked(session, balance())

    assert len(shop.asked("GET", "/offers")) == 1


# -- crashes and lost answers ----------------------------------------------------------------------


def test_a_crash_before_ready_changes_nothing_and_sending_again_does_it_once(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    shop.twin.fault("status", method="PATCH", path="/offer-packages/", status=503, times=4)
    before = shop.twin.state()["stock"]["P-100"]

    with pytest.raises(TransientError):
        list(plugin.push_balance(session, [balance()]))
    between = shop.twin.state()["stock"]["P-100"]
    done = stocked(session, balance())

    assert (between, done["P-100"].state, shop.twin.state()["stock"]["P-100"]) == (before, "done", 7)


def test_requests_whose_answer_was_lost_are_not_put_into_the_same_package_again(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    shop.twin.bad_gateway(path="/offer-requests$")

    with pytest.raises(TransientError):
        list(plugin.push_balance(session, [balance()]))
    done = stocked(session, balance())

    assert done["P-100"].state == "done"
    assert [len(each["requests"]) for each in shop.twin.state()["packages"]] == [1, 1]
    assert [each["state"] for each in shop.twin.state()["packages"]] == ["WaitingForCompletion", "Integrated"]


def test_a_lost_answer_to_ready_is_no_trouble(shops):
    shop = shops(channels=("CDISFR",))
    shop.twin.bad_gateway(method="PATCH", path="/offer-packages/")

    assert stocked(shop.connect(), balance())["P-100"].state == "done"


def test_results_that_are_gone_are_not_taken_for_done(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    (submitted,) = plugin.push_balance(session, [balance()])
    plugin.check_job(session, submitted.job)
    plugin.check_job(session, submitted.job)
    shop.twin.advance(timedelta(days=4).total_seconds())

    done = settled(session, [submitted])

    assert done["P-100"].state == "rejected"
    assert "three days" in done["P-100"].message


def test_a_package_that_is_never_worked_off_is_given_up_because_newer_stock_waits_for_it(shops):
    shop = shops(channels=("CDISFR",), polls=10**6)
    session = shop.connect()
    (submitted,) = plugin.push_balance(session, [balance()])
    shop.twin.advance(timedelta(hours=5).total_seconds())
    assert isinstance(plugin.check_job(session, submitted.job), StillRunning)
    shop.twin.advance(timedelta(hours=1).total_seconds())

    done = settled(session, [submitted])["P-100"]

    assert (done.state, "six hours" in done.message) == ("rejected", True)


# -- what is refused before it is sent -------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (balance(""), "sku"),
        (balance("X" * 51), "sku"),
        (balance(quantity="1.5"), "available"),
        (balance(quantity=-1), "available"),
        (balance(warehouse="PARIS"), "warehouse"),
    ],
)
def test_stock_that_no_offer_can_hold_is_refused(shops, record, path):
    shop = shops()

    (outcome,) = plugin.push_balance(shop.connect(warehouse="LYON"), [record])

    assert (outcome.state, outcome.path) == ("rejected", path)
    assert sent(shop) == {}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1.005"}, "amount"),
        ({"includes_tax": False}, "includes_tax"),
        ({"from_quantity": Decimal(5)}, "from_quantity"),
        ({"customer": "K-1"}, "from_quantity"),
        ({"price_list": "RAKUTEN"}, "price_list"),
        ({"valid_from": NOW}, "valid_from"),
        ({"currency": "USD"}, "currency"),
        ({"currency": "SEK", "price_list": "EXAMPLEPL"}, "currency"),
    ],
)
def test_prices_that_octopia_has_no_place_for_are_refused(shops, changes, path):
    shop = shops()

    (outcome,) = plugin.push_prices(shop.connect(), [price(**changes)])

    assert (outcome.state, outcome.path) == ("rejected", path)
    assert sent(shop) == {}


# -- prices and channels ---------------------------------------------------------------------------


def prices_of(shop, sku: str = "P-100") -> dict[str, Decimal]:
    return {channel: found[sku] for channel, found in shop.twin.state()["prices"].items()}


def test_a_price_without_list_is_for_all_channels_of_its_currency(shops):
    shop = shops()

    done = priced(shop.connect(), price())

    assert next(iter(done.values())).state == "done"
    assert "EXAMPLESE (SEK): another currency" in next(iter(done.values())).message
    assert {channel: prices_of(shop)[channel] for channel in ALL[:2]} == dict.fromkeys(ALL[:2], Decimal("12.50"))
    assert "EXAMPLESE" not in sent(shop)


def test_a_price_list_is_a_sales_channel(shops):
    shop = shops()

    priced(shop.connect(), price(price_list="EXAMPLEPL"))

    assert sent(shop) == {"EXAMPLEPL": ["P-100"]}


def test_a_channels_own_price_is_not_replaced_by_the_general_one(shops):
    shop, memory = shops(channels=ALL[:2]), DictMemory()
    session = shop.connect(memory)

    priced(session, price(amount="20.00", price_list="EXAMPLEPL"), price(amount="10.00"))
    priced(session, price(amount="11.00"))

    assert prices_of(shop) == {"CDISFR": Decimal("11.00"), "EXAMPLEPL": Decimal("20.00")}


def test_a_general_price_with_no_channel_left_is_refused(shops):
    shop = shops(channels=("CDISFR",))
    session = shop.connect()
    priced(session, price(price_list="CDISFR"))

    (outcome,) = plugin.push_prices(session, [price()])

    assert "price of its own" in outcome.message


def test_a_price_without_tax_is_sent_with_it():
    body = price_body(price(amount="10.00", includes_tax=False, tax_rate=Decimal(20)))

    assert body == {"price": Decimal("12.00")}


def test_a_higher_list_price_is_the_crossed_out_one():
    assert price_body(price(list_price=Decimal(15))) == {"price": Decimal("12.50"), "originPrice": Decimal(15)}


@given(minor=st.integers(min_value=1, max_value=10**12))
def test_a_price_is_sent_exactly(minor):
    amount = Decimal(minor).scaleb(-2)

    assert price_body(price(amount=amount)) == {"price": amount}


def test_amounts_leave_as_exact_numbers(shops):
    shop = shops(channels=("CDISFR",))

    priced(shop.connect(), price(amount="38.10"))

    assert shop.twin.state()["packages"][0]["requests"][0]["price"] == {"price": Decimal("38.10")}
