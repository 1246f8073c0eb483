"""The complete price set of an offer, because PRI01 deletes every price that its file does not name. Pure.

What stands at Mirakl is taken over, what was handed in is laid over it, and the whole set becomes rows of the file
(vendor page section 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import msgspec

from crossdock import Price, RecordError
from crossdock.mapping import round_money, utc
from crossdock_mirakl import shopwire
from crossdock_mirakl.api import Platform
from crossdock_mirakl.catalogue import ONE, channels_of, original, prices_of, tiers

MOST = 50
"""Prices of one offer in a file."""
COLUMNS = (
    "offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date", "channels", "price-ranges",
    "discount-ranges", "start-date", "end-date",
)  # fmt: skip
_ALWAYS = 5


class Tier(msgspec.Struct):
    """A price from a quantity on, and what it is lowered to."""

    price: Decimal
    discount: Decimal | None = None


class Entry(msgspec.Struct, omit_defaults=True):
    """One row of the file: the prices for some channels and, where the operator allows it, some time."""

    channels: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    tiers: dict[str, Tier] = {}
    discount_start: datetime | None = None
    discount_end: datetime | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it one price and not another."""
        return self.channels, self.start, self.end


@attrs.frozen(kw_only=True)
class Terms:
    """What this operator and shop allow."""

    platform: Platform
    currency: str
    channels: tuple[str, ...]
    now: datetime


def standing(offer: shopwire.Offer, now: datetime) -> list[Entry]:
    """The prices an offer has. Discounts that are over are left out.

    Raises `RecordError` for prices of single customers: their columns are not documented, and they would be deleted.
    """
    found = []
    if not prices_of(offer):
        raise RecordError("Mirakl tells no prices of the offer, and those that it has would be deleted.", path="sku")
    for each in prices_of(offer):
        context = each.context or shopwire.PriceContext()
        if context.customer_group_ids or context.customer_organization_ids:
            raise RecordError(
                "The offer has prices for single customers, which a price import would delete.", path="customer",
                hint="Change this offer's prices in the operator's back office.",
            )  # fmt: skip
        ends = utc(each.discount_end_date, "all_prices.discount_end_date")
        over = ends is not None and ends <= now
        found.append(
            Entry(
                channels=channels_of(each),
                start=utc(context.start_date, "all_prices.context.start_date"),
                end=utc(context.end_date, "all_prices.context.end_date"),
                tiers={
                    _plain(tier.quantity_threshold or ONE): Tier(
                        original(tier), None if over else tier.unit_discount_price
                    )
                    for tier in tiers(each)
                },
                discount_start=None if over else utc(each.discount_start_date, "all_prices.discount_start_date"),
                discount_end=None if over else ends,
            )
        )
    return found


def check(price: Price, terms: Terms) -> Price:
    """The price in the operator's tax mode; raises `RecordError` for what Mirakl cannot hold."""
    platform = terms.platform
    if not platform.known:
        raise RecordError(
            "Mirakl did not tell whether the operator's prices hold tax, so a price may be wrong by it.",
            path="includes_tax", hint="Use the API key of a user who may read the configuration, and verify again.",
        )  # fmt: skip
    if price.customer:
        raise RecordError("Prices of single customers are not sent to a marketplace.", path="customer")
    if terms.currency and price.currency and price.currency != terms.currency:
        raise RecordError(f"The shop sells in {terms.currency}, not in {price.currency}.", path="currency")
    unknown = [each for each in _channels(price) if terms.channels and each not in terms.channels]
    if unknown:
        raise RecordError(
            f"The shop has no channel {', '.join(unknown)}; there are: {', '.join(terms.channels)}.", path="price_list"
        )
    if price.price_list and not platform.channel_pricing:
        raise RecordError("This operator has no prices by channel.", path="price_list")
    if price.from_quantity != price.from_quantity.to_integral_value() or price.from_quantity < 1:
        raise RecordError(f"A tier begins at whole pieces, not at {price.from_quantity}.", path="from_quantity")
    if price.from_quantity != ONE and not platform.volume_pricing:
        raise RecordError("This operator has no prices by quantity.", path="from_quantity")
    if _discounted(price) is None and (price.valid_from or price.valid_until) and not platform.scheduled_pricing:
        raise RecordError(
            "This operator has no prices for a time; only discounts (with a list price) may have one.",
            path="valid_from",
        )
    if price.includes_tax != platform.prices_include_tax:
        price = _converted(price, platform)
    for name in ("amount", "list_price"):
        value = getattr(price, name)
        if value is not None and (value < 0 or value != value.quantize(ONE.scaleb(-platform.decimals))):
            raise RecordError(
                f"{name} must have at most {platform.decimals} decimals and not be negative, but is {value}.", path=name
            )
    return price


def _converted(price: Price, platform: Platform) -> Price:
    mode = "with" if platform.prices_include_tax else "without"
    if price.tax_rate is None:
        raise RecordError(
            f"The operator wants prices {mode} tax, and this one names no tax rate to convert it with.", path="tax_rate"
        )
    factor = 1 + price.tax_rate / 100

    def convert(value: Decimal) -> Decimal:
        return round_money(value * factor if platform.prices_include_tax else value / factor, price.currency)

    listed = None if price.list_price is None else convert(price.list_price)
    return msgspec.structs.replace(
        price, amount=convert(price.amount), list_price=listed, includes_tax=platform.prices_include_tax
    )


def merged(present: Sequence[Entry], prices: Sequence[Price]) -> list[Entry]:
    """The complete set: what stands, with the given prices of one SKU laid over it.

    A list price above the amount makes a discount, from and until the price is valid; without one a discount ends.
    """
    found = {entry.key: msgspec.structs.replace(entry, tiers=dict(entry.tiers)) for entry in present}
    for price in prices:
        discount = _discounted(price)
        timed = (None, None) if discount is not None else (price.valid_from, price.valid_until)
        new = Entry(channels=_channels(price), start=timed[0], end=timed[1])
        entry = found.setdefault(new.key, new)
        if discount is not None:
            entry.discount_start, entry.discount_end = price.valid_from, price.valid_until
        listed = price.list_price if discount is not None and price.list_price is not None else price.amount
        entry.tiers[_plain(price.from_quantity)] = Tier(listed, discount)
    for entry in found.values():
        if all(tier.discount is None for tier in entry.tiers.values()):
            entry.discount_start = entry.discount_end = None
    _check_set(found)
    return list(found.values())


def _check_set(found: Mapping[tuple[object, ...], Entry]) -> None:
    for entry in found.values():
        if "1" not in entry.tiers:
            where = f" on {', '.join(entry.channels)}" if entry.channels else ""
            raise RecordError(f"There is no price from one piece on{where}.", path="from_quantity")
    count = sum(len(entry.tiers) for entry in found.values())
    if count > MOST:
        raise RecordError(f"Mirakl takes {MOST} prices an offer, and there would be {count}.", path="from_quantity")


def _channels(price: Price) -> tuple[str, ...]:
    return tuple(sorted(part for part in price.price_list.split("|") if part))


def _discounted(price: Price) -> Decimal | None:
    return price.amount if price.list_price is not None and price.list_price > price.amount else None


# -- rows of the file --------------------------------------------------------------------------------


def rows(sku: str, entries: Sequence[Entry]) -> Iterator[tuple[str, ...]]:
    """The rows of one offer, one a channel set, in the order of `COLUMNS`."""
    for entry in entries:
        first, several = entry.tiers["1"], len(entry.tiers) > 1
        ordered = sorted(entry.tiers.items(), key=lambda each: int(each[0]))
        lowered = [(start, tier.discount) for start, tier in ordered if tier.discount is not None]
        yield (
            sku, f"{first.price:f}", "" if first.discount is None else f"{first.discount:f}",
            _stamp(entry.discount_start), _stamp(entry.discount_end), "|".join(entry.channels),
            ",".join(f"{start}|{tier.price:f}" for start, tier in ordered) if several else "",
            ",".join(f"{start}|{value:f}" for start, value in lowered) if several else "",
            _stamp(entry.start), _stamp(entry.end),
        )  # fmt: skip


def used_columns(every: Sequence[tuple[str, ...]]) -> list[int]:
    """The columns that are needed: an operator may refuse columns of a feature that it switched off."""
    return [index for index in range(len(COLUMNS)) if index < _ALWAYS or any(row[index] for row in every)]


def _plain(quantity: Decimal) -> str:
    return format(quantity.normalize(), "f")


def _stamp(at: datetime | None) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z" if at else ""
