"""Every recorded payload that the connector reads or writes."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from mirakl_kit import Operator, json_sample, sample

from crossdock import Balance, Outcome, Price
from crossdock_mirakl import plugin, pricing, shopwire, wire
from crossdock_mirakl.api import features
from crossdock_mirakl.deciding import _cancelations


@pytest.mark.parametrize(("name", "decoder"), [
    ("or11-orders.empty", wire.ORDERS), ("or04-references", wire.PATCHED), ("st01-shipments.partial-success",
    wire.SHIPMENTS_MADE), ("st11-shipments", wire.SHIPMENTS), ("st12-items-to-ship", wire.SHIPMENTS),
    ("sh21-carriers", wire.CARRIERS), ("re01-reasons", wire.REASONS), ("a01-account", shopwire.ACCOUNT),
    ("pc01-platform-configuration", shopwire.PLATFORM), ("of21-offers", shopwire.OFFERS),
    ("of52-export", shopwire.EXPORT_MADE), ("of53-status.completed", shopwire.EXPORT_STATUS),
    ("of53-status.failed", shopwire.EXPORT_STATUS), ("sto01-stock", shopwire.IMPORT_MADE),
    ("sto02-status.complete", shopwire.IMPORT), ("pri01-prices", shopwire.IMPORT_MADE),
    ("pri02-imports", shopwire.IMPORTS),
])  # fmt: skip
def test_a_recorded_answer_is_read(name: str, decoder: msgspec.json.Decoder[Any]) -> None:
    read = msgspec.to_builtins(decoder.decode(sample(f"{name}.response.json")), builtin_types=(Decimal, msgspec.Raw))
    assert any(read.values()) or name.endswith("empty")


def test_what_an_operator_allows_is_read_from_its_configuration() -> None:
    found = features(shopwire.PLATFORM.decode(sample("pc01-platform-configuration.response.json")))
    assert (found.prices_include_tax, found.multi_shipment, found.own_carriers) == (True, True, True)
    assert (found.decimals, found.delimiter, found.acceptance) == (2, ";", "NOT_AUTOMATIC")


def test_a_configuration_that_tells_little_is_enough() -> None:
    found = features(shopwire.PLATFORM.decode(b'{"features":{"order_tax_mode":"TAX_EXCLUDED"}}'))
    assert (found.prices_include_tax, found.multi_shipment, found.decimals) == (False, None, 2)


def handed(operator: Operator, kind: str) -> list[Outcome]:
    """The lines of the recorded files as they would be handed in."""
    if kind == "stock":
        stock = (("KETTLE-17-BLK", 12, ""), ("TOASTER-2S-RED", 4, "LYON"), ("TOASTER-2S-RED", 3, "LILLE"),
                 ("UNKNOWN-SKU", 5, ""))  # fmt: skip
        balances = [Balance(sku=sku, available=Decimal(count), warehouse=code) for sku, count, code in stock]
        return list(plugin.push_balance(operator.session, balances))
    lists = (("KETTLE-17-BLK", ""), ("KETTLE-17-BLK", "ES|PT"), ("UNKNOWN-SKU", ""))
    for sku in dict.fromkeys(sku for sku, _ in lists):
        operator.sandbox.add_offer(sku, "39.90", 1)
    prices = [Price(sku=sku, amount=Decimal(5), includes_tax=True, price_list=each) for sku, each in lists]
    return list(plugin.push_prices(operator.session, prices))


@pytest.mark.parametrize(("kind", "status", "report"), [
    ("stock", "sto02-status.complete.response.json", "sto03-error-report.csv"),
    ("prices", "pri02-imports.response.json", "pri03-error-report.csv"),
])  # fmt: skip
def test_a_recorded_error_report_is_put_on_its_sku(operator: Operator, kind: str, status: str, report: str) -> None:
    job = next(each.job for each in handed(operator, kind) if each.job)
    recorded = json_sample(status)["import_id" if kind == "stock" else "data"]
    made = recorded if kind == "stock" else recorded[0]["import_id"]
    body = sample(status).decode().replace(made, job.partition(":")[2])
    operator.sandbox.fault("status", method="GET", path=f"{kind if kind == 'stock' else 'pricing'}/imports",
                           status=200, body=body)  # fmt: skip
    operator.sandbox.fault("status", path="error_report", status=200, body=sample(report).decode())
    answer = plugin.check_job(operator.session, job)
    assert isinstance(answer, list)
    rejected = [each for each in answer if each.state == "rejected"]
    assert [(each.gap.value if each.gap else "", each.message) for each in rejected] == [
        ("UNKNOWN-SKU", "Offer with SKU UNKNOWN-SKU was not found")
    ]


def test_the_recorded_price_file_is_what_would_be_written() -> None:
    """The discount of the recorded file in our own record, and back into the file's row."""
    rows = list(csv.reader(io.StringIO(sample("pri01-prices.csv").decode()), delimiter=";"))
    spanish = dict(zip(rows[0], rows[2]))
    entry = pricing.Entry(
        channels=("ES", "PT"), tiers={"1": pricing.Tier(Decimal("44.90"), Decimal("42.90"))},
        discount_start=msgspec.convert("2026-03-01T23:00:00Z", type=pricing.datetime),
        discount_end=msgspec.convert("2026-03-31T22:00:00Z", type=pricing.datetime),
    )  # fmt: skip
    (written,) = pricing.rows("KETTLE-17-BLK", [entry])
    assert {name: cell for name, cell in zip(pricing.COLUMNS, written) if cell} == {
        name: cell for name, cell in spanish.items() if cell
    }


def test_the_recorded_cancellation_is_what_would_be_written() -> None:
    page = msgspec.json.decode(
        wire.ORDERS.decode(sample("or11-orders.page1.response.json")).orders, type=list[wire.Order]
    )
    order = next(each for each in page if each.order_id == "90417790-A")
    order.order_lines = [each for each in order.order_lines if each.order_line_id == "90417790-A-2"]
    assert msgspec.json.decode(wire.encode(_cancelations(order, "34"))) == json_sample("or30-cancel.request.json")
