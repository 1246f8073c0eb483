"""The Mirakl sandbox: a twin of one operator's instance, with the vendor's asynchronous imports and its traps.

Where the vendor page leaves a choice, this twin reads it so:

* a shop that is not the key's answers 403, an id that does not exist 404, a feature that is off 404;
* coded refusals (OR21) have ``errors`` beside ``status`` and ``message``; the opaque ones (OR24) have not;
* an import moves on each time its status is asked for; while it does, the same content gives the same id;
* the prices of an offer are replaced together or not at all, and one of them must be without a channel;
* a price with more decimals than PC01 tells is an error line, and so is a stock line without a quantity;
* ordering takes from the quantity of the offer, and nothing puts it back;
* a line of which some pieces were cancelled goes on with the others; refused and cancelled lines keep their price;
* files of exports are bare lists and need no key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from crossdock_mirakl.sandbox.gate import LIMITS
from crossdock_mirakl.sandbox.offers import Terms
from crossdock_mirakl.sandbox.order import CHANNELS
from crossdock_mirakl.sandbox.orders import WORKFLOWS
from crossdock_mirakl.sandbox.platform import CARRIERS, REASONS, Options
from crossdock_mirakl.sandbox.tax import MODES
from crossdock_mirakl.sandbox.twin import MiraklSandbox

__all__ = ["CARRIERS", "LIMITS", "REASONS", "SKUS", "MiraklSandbox", "create"]

SKUS = tuple(f"P-{number}" for number in range(100, 108))


def create(
    *,
    tax_mode: str = "TAX_INCLUDED",
    multi_shipment: bool = True,
    acceptance: bool = True,
    partial_acceptance: bool = True,
    automatic_debit: bool = True,
    addresses_before_acceptance: bool = False,
    alternative_carrier: bool = True,
    refund_while_shipping: bool = False,
    workflow: str = "PAY_ON_ACCEPTANCE",
    decimals: str = "2",
    delimiter: str = "SEMICOLON",
    channels: Sequence[str] | str = ("FR", "ES"),
    warehouses: Sequence[str] | str = ("LYON", "LILLE"),
    channel_pricing: str = "MULTI",
    volume_pricing: bool = True,
    scheduled_pricing: bool = False,
    currency: str = "EUR",
    update_delta: float = 300,
    added_fields: bool = True,
    api_key: str = "sandbox-shop-key",
    shop_id: int = 2417,
    default_shop_id: int | None = None,
    read_only: bool = False,
    strict_limits: bool = False,
    limits: Mapping[str, int] = LIMITS,
    skus: Sequence[str] | str = SKUS,
    orders: int = 0,
    clock: Callable[[], datetime] | None = None,
    seed: int = 1,
) -> MiraklSandbox:
    """A sandbox with an offer for each of `skus` and `orders` orders.

    What PC01 tells: `tax_mode` (TAX_INCLUDED, TAX_EXCLUDED), `multi_shipment`, `acceptance`,
    `addresses_before_acceptance`, `alternative_carrier`, `decimals` of prices, the `delimiter` of CSV files
    (SEMICOLON, COMMA), `channel_pricing`, `volume_pricing` and `scheduled_pricing`. What it does not tell:
    `partial_acceptance` (false refuses orders accepted in part), `automatic_debit` (false lets accepted orders wait
    for `MiraklSandbox.debit`), `refund_while_shipping`, `workflow` (PAY_ON_ACCEPTANCE, PAY_ON_SHIPMENT,
    PAY_ON_DUE_DATE), and `update_delta`, the seconds that are taken off ``start_update_date``.

    Lists may be text with commas, as on a command line. A `default_shop_id` other than `shop_id` makes a second, empty
    shop, which answers when ``shop_id`` is left out. `read_only` is the role of the key's user. With `strict_limits`
    calls that come sooner than `limits` (seconds between two calls of an operation) get 429. `added_fields` puts a
    field in orders that no page documents. `clock` gives aware UTC; `seed` decides ids and seeded orders.
    Raises `ValueError` for a word that is none of an option's.
    """
    unknown = set(_names(channels)) - set(CHANNELS)
    if unknown:
        raise ValueError(f"channels are some of {', '.join(CHANNELS)}, not {', '.join(sorted(unknown))}.")
    for name, value, allowed in (
        ("tax_mode", tax_mode, MODES),
        ("workflow", workflow, WORKFLOWS),
        ("delimiter", delimiter, ("SEMICOLON", "COMMA")),
        ("channel_pricing", channel_pricing, ("DISABLED", "SINGLE", "MULTI")),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}, not {value}.")
    options = Options(
        tax_mode=tax_mode,
        multi_shipment=multi_shipment,
        acceptance=acceptance,
        partial_acceptance=partial_acceptance,
        automatic_debit=automatic_debit,
        addresses_before_acceptance=addresses_before_acceptance,
        alternative_carrier=alternative_carrier,
        refund_while_shipping=refund_while_shipping,
        workflow=workflow,
        decimals=decimals,
        delimiter=delimiter,
        channel_pricing=channel_pricing,
        volume_pricing=volume_pricing,
        scheduled_pricing=scheduled_pricing,
        update_delta=update_delta,
        added_fields=added_fields,
    )
    terms = Terms(
        channels=_names(channels),
        warehouses=_names(warehouses),
        decimals=int(decimals),
        currency=currency,
        channel_pricing=channel_pricing != "DISABLED",
        volume_pricing=volume_pricing,
        scheduled_pricing=scheduled_pricing,
    )
    return MiraklSandbox(
        options=options,
        terms=terms,
        api_key=api_key,
        shop_id=shop_id,
        default_shop_id=shop_id if default_shop_id is None else default_shop_id,
        read_only=read_only,
        strict_limits=strict_limits,
        limits=limits,
        skus=_names(skus),
        orders=orders,
        clock=clock,
        seed=seed,
    )


def _names(given: Sequence[str] | str) -> tuple[str, ...]:
    return tuple(each.strip() for each in given.split(",")) if isinstance(given, str) else tuple(given)
