"""Proving step by step that a shop can be worked with; nothing is changed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import attrs

from crossdock import AccessError, Answer, Check, ConnectorError, RecordError, Session, TransientError
from crossdock_woocommerce.api import STATUS_FIELDS, Api, status_facts, tax_facts
from crossdock_woocommerce.settings import PERMALINKS, WAF, Settings, query_login, shop_address

FLOOR = (7, 6)
_STRIPPED = (
    "Let the server pass the header on (Apache: “CGIPassAuth On” or “SetEnvIf Authorization "
    '"(.*)" HTTP_AUTHORIZATION=$1”; nginx: “fastcgi_param HTTP_AUTHORIZATION $http_authorization;”), '
    "or set Login to “query”: then the secret stands in the server's access log."
)


def verify(session: Session[Settings]) -> Iterator[Check]:
    """Address, login, version, rights, settings, clock and extensions, in this order; stops at the first red step."""
    for step in _steps(session):
        yield step
        if step.state == "fail":
            return


def _steps(session: Session[Settings]) -> Iterator[Check]:
    first = address(session)
    yield first
    shop = Api(session, first.facts.get("route") == "plain")
    answer = shop.ask("GET", "system_status", STATUS_FIELDS)
    yield login(session, shop, answer)
    facts = status_facts(answer.json())
    yield version(facts)
    yield from rights(shop)
    yield money(session, shop, facts)
    yield clock(session, answer)
    yield extensions(session, shop, first.facts.get("namespaces", ()), facts)


# -- address -----------------------------------------------------------------------------------------


def address(session: Session[Settings]) -> Check:
    """Whether the WordPress API answers at the address, and by which kind of permalinks."""
    name, route = "Address", session.settings.route
    try:
        answer = Api(session, route == "plain").ask("GET", "/")
        found = _index(answer)
        if found is None and route == "auto" and _no_api(answer):
            behind = Api(session, True).ask("GET", "/")
            found = _index(behind)
            if found is not None:
                return _indexed(session, found, behind, "plain")
    except (TransientError, AccessError) as error:
        return Check(name=name, state="fail", detail=str(error), hint=error.hint or "Check the shop address.")
    if found is not None:
        return _indexed(session, found, answer, "plain" if route == "plain" else "pretty")
    return _unreachable(session, answer)


def _no_api(answer: Answer) -> bool:
    """Plain permalinks answer the front page, a redirect to it, or a 404 page, depending on the web server."""
    if 300 <= answer.status < 400:
        return "wp-json" not in answer.headers.get("location", "")
    return answer.status in (200, 404) and answer.content.lstrip()[:1] != b"{"


def _index(answer: Answer) -> dict[str, Any] | None:
    if answer.status != 200:
        return None
    try:
        value = answer.json()
    except ConnectorError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("namespaces"), list) else None


def _indexed(session: Session[Settings], found: dict[str, Any], answer: Answer, route: str) -> Check:
    name, namespaces = "Address", [str(each) for each in found["namespaces"]]
    if "wc/v3" not in namespaces:
        return Check(
            name=name, state="fail", detail=f"WordPress answers at {session.settings.address}, but not WooCommerce.",
            hint="Activate WooCommerce in WordPress under Plugins, or give the address of the shop itself.",
        )  # fmt: skip
    facts = {
        "route": route, "namespaces": namespaces, "timezone": str(found.get("timezone_string") or ""),
        "utc_offset": str(found.get("gmt_offset", "")), "shop_name": str(found.get("name", "")),
    }  # fmt: skip
    if route == "plain":
        return Check(
            name=name, state="warn", facts=facts,
            detail="The shop's permalinks are set to Plain; its API is reached by a detour.", hint=PERMALINKS,
        )  # fmt: skip
    if answer.content.startswith(b"\xef\xbb\xbf"):
        return Check(
            name=name, state="warn", facts=facts, detail="The shop puts a byte order mark before its answers.",
            hint="A PHP file of a plugin or theme was saved with a byte order mark; it does no harm to Crossdock.",
        )  # fmt: skip
    return Check(name=name, state="ok", detail=f"{facts['shop_name'] or 'The shop'} answers.", facts=facts)


def _unreachable(session: Session[Settings], answer: Answer) -> Check:
    name, start = "Address", answer.content[:200].decode("utf-8", "replace").strip()
    page = start[:1] == "<" and not re.match(r"<(br|b)\b", start, re.IGNORECASE)
    where = session.settings.address
    if 300 <= answer.status < 400:
        target = answer.headers.get("location", "")
        if shop_address(target) == where:
            return Check(name=name, state="fail", detail=f"{where} answered its front page instead of its API.",
                         hint=PERMALINKS)  # fmt: skip
        return Check(
            name=name, state="fail", detail=f"{where} redirects to {target or 'another address'}.",
            hint=f"Set the shop address to {shop_address(target.partition('?')[0])}; redirects are not followed, "
            "because they lose the body or the credentials.",
        )  # fmt: skip
    if answer.status == 503:
        return Check(name=name, state="fail", detail="The shop is in maintenance or overloaded (503).",
                     hint="WordPress does this for a minute while it updates; verify again then.")  # fmt: skip
    if answer.status in (401, 403, 406, 415, 429) and page:
        return Check(
            name=name, state="fail", detail=f"Something in front of the shop refused the request ({answer.status}).",
            hint=WAF,
        )  # fmt: skip
    if answer.status >= 500:
        return Check(name=name, state="fail", detail=f"The shop answered {answer.status}: {start}",
                     hint="Look into the shop's PHP error log (WooCommerce > Status > Logs).")  # fmt: skip
    if answer.status == 200 and start and not page and start[:1] != "{":
        return Check(
            name=name, state="fail", detail=f"The shop prints text before its answers: {start}",
            hint="A plugin or theme prints a PHP warning; switch WP_DEBUG_DISPLAY off or repair the plugin it names.",
        )  # fmt: skip
    if answer.status in (401, 403):
        return Check(name=name, state="fail", detail=f"The shop's REST API is closed ({answer.status}): {start}",
                     hint="A security plugin restricts the REST API; allow it for WooCommerce keys.")  # fmt: skip
    what = "a web page" if page else "something"
    return Check(
        name=name, state="fail", detail=f"{where} answered {answer.status} with {what} that is no WordPress API.",
        hint=PERMALINKS,
    )  # fmt: skip


# -- login and rights --------------------------------------------------------------------------------


def _code(answer: Answer) -> str:
    try:
        value = answer.json()
    except ConnectorError:
        return ""
    return str(value.get("code", "")) if isinstance(value, dict) else ""


def _said(answer: Answer) -> str:
    try:
        value = answer.json()
    except ConnectorError:
        return ""
    return str(value.get("message", "")) if isinstance(value, dict) else ""


def login(session: Session[Settings], shop: Api, answer: Answer) -> Check:
    """Whether the key is accepted; a 401 is told apart by the decision table of section 1."""
    name, code, said = "Login", _code(answer), _said(answer)
    if answer.status == 200:
        try:
            answer.json()
        except TransientError as error:
            return Check(name=name, state="fail", detail=f"{error} {error.vendor_message}", hint=error.hint)
        return Check(name=name, state="ok", detail="The key is accepted.", facts={"login": session.settings.login})
    failed = Check(name=name, state="fail", detail=said or f"The shop answered {answer.status}.")
    if answer.status == 401 and code == "woocommerce_rest_authentication_error":
        return attrs.evolve(failed, hint=_refused(session, answer))
    if answer.status == 401:
        return _no_key_arrived(session, shop, failed)
    if answer.status == 403 and code:
        return attrs.evolve(failed, hint="The key is right, but its user lacks rights: make the key for a shop "
                            "manager or administrator.")  # fmt: skip
    if answer.status == 404 and code == "rest_no_route":
        return attrs.evolve(failed, hint="WooCommerce is too old or incomplete; update it to 7.6 or later.")
    if answer.status == 503:
        return attrs.evolve(failed, hint="WordPress is in maintenance for a minute; verify again then.")
    if not code:
        return attrs.evolve(failed, hint=WAF if answer.status < 500 else "Look into the shop's PHP error log.")
    return attrs.evolve(failed, hint="Verify again; if it stays, look into WooCommerce > Status > Logs.")


def _refused(session: Session[Settings], answer: Answer) -> str:
    skew = _skew(session, answer)
    if session.settings.login == "oauth" and skew is not None and abs(skew) > timedelta(minutes=15):
        return f"The clocks differ by {abs(skew)}; OAuth allows 15 minutes. Set the server's clock."
    return (
        "The key exists, but the shop refuses it. If the text speaks of the secret: enter the consumer secret again. "
        "If it speaks of permissions: make a new key with Read/Write. If it speaks of a signature: the shop address "
        "must be written exactly as in WordPress under Settings > General."
    )


def _no_key_arrived(session: Session[Settings], shop: Api, failed: Check) -> Check:
    """Unknown key, plain http and a stripped header answer alike, so the key is tried once in the query string."""
    if session.settings.login == "basic":
        again = shop.ask("GET", "system_status", {**STATUS_FIELDS, **dict(query_login(session.settings))})
        if again.status == 200:
            return attrs.evolve(
                failed, detail="The key is right, but the server strips the Authorization header.", hint=_STRIPPED
            )
        if session.settings.address.startswith("http:"):
            return attrs.evolve(failed, hint="Basic login is ignored over http: set Login to “auto” or “oauth”.")
    return attrs.evolve(
        failed,
        hint="The shop does not know the consumer key: it was deleted, belongs to another shop, or was cut off while "
        "copying. If the shop is behind a TLS proxy, WooCommerce may believe that it is http: set "
        "$_SERVER['HTTPS']='on' in wp-config.php.",
    )


def version(facts: dict[str, Any]) -> Check:
    """Whether WooCommerce is new enough."""
    text = facts["woocommerce_version"]
    parts = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if parts < FLOOR:
        return Check(
            name="Version", state="fail", detail=f"WooCommerce {text or 'of unknown version'} is too old.",
            hint="Update WooCommerce to 7.6 or later: older ones filter changed orders in the wrong time zone.",
        )  # fmt: skip
    return Check(name="Version", state="ok", detail=f"WooCommerce {text}, WordPress {facts['wordpress_version']}.")


def rights(shop: Api) -> Iterator[Check]:
    """Whether the key may read and write orders. The write probe is an empty batch, which changes nothing."""
    read = shop.ask("GET", "orders", {"per_page": 1, "_fields": "id"})
    yield _right("Read orders", read)
    yield _right("Write orders", shop.ask("POST", "orders/batch", json={}))


def _right(name: str, answer: Answer) -> Check:
    if answer.status == 200:
        try:
            answer.json()
        except TransientError as error:
            return Check(name=name, state="fail", detail=f"{error} {error.vendor_message}", hint=error.hint)
        return Check(name=name, state="ok", detail="Allowed.")
    code = _code(answer)
    if code == "woocommerce_rest_authentication_error":
        hint = "Make a new key with the permissions Read/Write."
    elif code.startswith("woocommerce_rest_cannot"):
        hint = "Make the key for a shop manager or administrator."
    elif code:
        hint = "Verify again; if it stays, look into WooCommerce > Status > Logs."
    else:
        hint = WAF
    return Check(name=name, state="fail", detail=_said(answer) or f"The shop answered {answer.status}.", hint=hint)


# -- what the shop is like ---------------------------------------------------------------------------


def money(session: Session[Settings], shop: Api, facts: dict[str, Any]) -> Check:
    """Currency, decimals, tax mode and rounding."""
    name = "Shop settings"
    try:
        facts = {**facts, **tax_facts(session, shop)}
    except (AccessError, RecordError) as error:
        return Check(name=name, state="fail", detail=str(error),
                     hint="Make the key for a shop manager or administrator.")  # fmt: skip
    mode = "with" if facts["prices_include_tax"] else "without"
    detail = f"{facts['currency']}, {facts['decimals']} decimals, prices are typed {mode} tax."
    if facts["round_at_subtotal"]:
        return Check(
            name=name, state="warn", facts=facts,
            detail=f"{detail} Tax is rounded at subtotal level, so orders are often a cent off the sum of their parts.",
            hint="Totals are taken as the shop states them. Untick “Round tax at subtotal level” to avoid it.",
        )  # fmt: skip
    return Check(name=name, state="ok", detail=detail, facts=facts)


def _skew(session: Session[Settings], answer: Answer) -> timedelta | None:
    return None if answer.date is None else session.clock.now().replace(microsecond=0) - answer.date


def clock(session: Session[Settings], answer: Answer) -> Check:
    """Whether the clocks agree."""
    skew = _skew(session, answer)
    if skew is None:
        return Check(name="Clock", state="ok", detail="The shop does not tell its time.")
    if abs(skew) > timedelta(minutes=2):
        return Check(
            name="Clock", state="warn", detail=f"The clocks of the shop and of this server differ by {abs(skew)}.",
            hint="Set both clocks by NTP; over http the login fails from 15 minutes on.",
        )  # fmt: skip
    return Check(name="Clock", state="ok", detail="The clocks agree.")


def extensions(session: Session[Settings], shop: Api, namespaces: Any, facts: dict[str, Any]) -> Check:
    """Where tracking numbers go, and whether all variations can be read in one list (10.3 and later)."""
    everywhere = shop.ask("GET", "variations", {"per_page": 1, "_fields": "id"}).status == 200
    tracking = session.settings.tracking
    if tracking == "auto":
        tracking = find_tracking(shop, namespaces)
    elif tracking == "fulfillments" and not has_fulfillments(shop):
        return Check(name="Extensions", state="fail", detail="Order Fulfillments are switched off in this shop.",
                     hint="Switch the feature on in WooCommerce, or set Tracking numbers to “auto”.")  # fmt: skip
    return Check(
        name="Extensions", state="ok", detail=f"Tracking numbers go to: {tracking}.",
        facts={"tracking": tracking, "variations_endpoint": everywhere},
    )  # fmt: skip


def has_fulfillments(shop: Api) -> bool:
    """Whether the core feature is on: when it is off, its address does not exist (section 8)."""
    answer = shop.ask("GET", "orders/1/fulfillments")
    return answer.status != 404 or _code(answer) not in ("rest_no_route", "")


def find_tracking(shop: Api, namespaces: Any) -> str:
    """The facility for tracking numbers: an extension, else core's fulfillments, else a note to the customer."""
    names = [str(each) for each in namespaces]
    if any(each.startswith("wc-ast") for each in names):
        return "ast"
    if any(each.startswith("wc-shipment-tracking") for each in names):
        return "shipment-tracking"
    return "fulfillments" if has_fulfillments(shop) else "note"
