"""The shop's REST API behind either kind of permalinks, and what is known of the shop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import attrs
import msgspec

from crossdock import Answer, OutcomeUnknownError, RecordError, Session, TransientError
from crossdock_woocommerce.settings import Settings
from crossdock_woocommerce.signing import MARK

Params = Mapping[str, str | int]
W = TypeVar("W")

# WordPress says "Retry-After: 600" while it updates plugins, which takes a minute (section 1).
_LONGEST_WAIT = timedelta(seconds=60)


@attrs.frozen
class Api:
    """Requests by route: ``orders/7`` means ``wc/v3/orders/7``; a leading slash names another namespace.

    `plain` is for shops with plain permalinks. WooCommerce takes a key only when the request line contains
    ``wp-json/wc/``, so `MARK` carries that text (section 1, measured).
    """

    session: Session[Settings]
    plain: bool

    def address(self, path: str, params: Params | None = None) -> tuple[str, Params | None]:
        """Path and parameters as the HTTP session wants them."""
        route = path[1:] if path.startswith("/") else f"wc/v3/{path}"
        if not self.plain:
            return f"wp-json/{route}", params
        return "/", {"rest_route": f"/{route}", MARK[0]: MARK[1], **(params or {})}

    def get(self, path: str, params: Params | None = None, *, attempts: int = 4) -> Answer:
        """Read."""
        with _short_waits():
            return self.session.http.get(*self.address(path, params), attempts=attempts)

    def post(self, path: str, json: Any, *, create: bool = False, safe: bool = False) -> Answer:
        """Write; say whether doing it twice makes two (`create`) or not (`safe`)."""
        target, params = self.address(path)
        with _short_waits():
            return self.session.http.post(target, json, params=params, create=create, safe=safe)

    def put(self, path: str, json: Any) -> Answer:
        """Write absolute values."""
        target, params = self.address(path)
        with _short_waits():
            return self.session.http.put(target, json, params=params)

    def delete(self, path: str, params: Params | None = None) -> Answer:
        """Delete."""
        target, rest = self.address(path, params)
        with _short_waits():
            return self.session.http.delete(target, params=rest)

    def ask(self, method: str, path: str, params: Params | None = None, json: Any = None) -> Answer:
        """A request whose error answers come back as they are: for diagnosis. Tried once more on passing trouble."""
        return self.session.http.request(method, *self.address(path, params), json=json, raw=True, attempts=2)


@contextmanager
def _short_waits() -> Iterator[None]:
    try:
        yield
    except TransientError as error:
        if error.status == 503 and error.wait is not None:
            error.wait = min(error.wait, _LONGEST_WAIT)
        raise


def api(session: Session[Settings]) -> Api:
    """The API by the configured route, or by the one that verify found."""
    route = session.settings.route
    if route == "auto":
        route = str(session.facts.get("route", "pretty"))
    return Api(session, route == "plain")


def created(answer: Answer, decoder: msgspec.json.Decoder[W]) -> W:
    """The answer to a create. One that cannot be read leaves open what was made, so that it is looked for."""
    try:
        return answer.decode(decoder)
    except (TransientError, RecordError) as error:
        raise OutcomeUnknownError(
            f"It was sent, but the answer cannot be read: {error}", hint=error.hint, vendor_message=error.vendor_message
        ) from error


@attrs.frozen(kw_only=True)
class Shop:
    """How the shop counts money: ISO currency, decimals of a price, and whether typed prices include tax."""

    currency: str
    decimals: int
    prices_include_tax: bool


def shop(session: Session[Settings]) -> Shop:
    """What verify learnt of the shop, or the shop's own word when the connection was never verified."""
    facts = session.facts
    if not {"currency", "decimals", "prices_include_tax"} <= facts.keys():
        facts = {**status_facts(api(session).get("system_status", STATUS_FIELDS).json()), **tax_facts(session)}
    return Shop(
        currency=str(facts["currency"]),
        decimals=int(facts["decimals"]),
        prices_include_tax=bool(facts["prices_include_tax"]),
    )


STATUS_FIELDS: Params = {
    "_fields": "environment.version,environment.wp_version,settings.currency,settings.number_of_decimals,"
    "settings.taxonomies"
}


def status_facts(status: Any) -> dict[str, Any]:
    """Facts from the shop's system status."""
    environment, settings = status.get("environment", {}), status.get("settings", {})
    types = settings.get("taxonomies") or []
    return {
        "woocommerce_version": str(environment.get("version", "")),
        "wordpress_version": str(environment.get("wp_version", "")),
        "currency": str(settings.get("currency", "")),
        "decimals": int(settings.get("number_of_decimals", 2)),
        "product_types": sorted(types.values() if isinstance(types, dict) else types),
    }


def tax_facts(session: Session[Settings], through: Api | None = None) -> dict[str, Any]:
    """How prices are typed and how tax is rounded."""
    rows = (through or api(session)).get("settings/tax").json()
    values = {row["id"]: row.get("value") for row in rows}
    return {
        "prices_include_tax": values.get("woocommerce_prices_include_tax") == "yes",
        "round_at_subtotal": values.get("woocommerce_tax_round_at_subtotal") == "yes",
    }
