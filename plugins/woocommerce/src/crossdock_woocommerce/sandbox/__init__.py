"""The WooCommerce sandbox: a shop's twin with its silent 200s, written from what real shops were seen to do.

`create` makes one. Options (all keywords): see `crossdock_woocommerce.sandbox.shop.Options`. The shop is always
*served* over loopback http; ``https=True`` makes it believe otherwise, so that Basic authentication and keys in the
query string work; with ``https=False`` it takes OAuth 1.0a alone, as a real shop without TLS does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import format_datetime
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox import Fault, Sandbox
from crossdock_woocommerce.sandbox import reference
from crossdock_woocommerce.sandbox.access import Gate
from crossdock_woocommerce.sandbox.people import People
from crossdock_woocommerce.sandbox.rehearsal import ShopRehearsal
from crossdock_woocommerce.sandbox.routes import DENIED, Endpoint, Routes, no_route
from crossdock_woocommerce.sandbox.schema import validate
from crossdock_woocommerce.sandbox.shop import Options, Shop
from crossdock_woocommerce.sandbox.webhooks import Webhooks
from crossdock_woocommerce.sandbox.wire import (
    HOME,
    Answer,
    ApiError,
    Call,
    Json,
    cut_fields,
    nested_query,
    php_json,
    widened,
)

__all__ = ["Options", "WooSandbox", "create"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_JSON = "application/json; charset=UTF-8"
_HTML = "text/html; charset=UTF-8"
_FRONT = b'<!DOCTYPE html>\n<html lang="en-US"><head><title>Woo Test</title></head><body>Hello world!</body></html>'
_LOST = b'<!DOCTYPE html>\n<html lang="en-US"><head><title>Page not found</title></head><body>404</body></html>'
_MAINTENANCE = (
    "<!DOCTYPE html>\n<html dir='ltr'>\n<head><title>Maintenance</title></head>"
    "<body>Briefly unavailable for scheduled maintenance. Check back in a minute.</body></html>"
)
_CRASH = (
    '<!DOCTYPE html>\n<html lang="en-US">\n<head><title>WordPress &rsaquo; Error</title></head>'
    "<body>There has been a critical error on this website.</body></html>"
)
_PRIVATE = "no-cache, must-revalidate, max-age=0, no-store, private"


class WooSandbox(People, Sandbox):
    """A WooCommerce shop; what its people and its clock do comes from `People`."""

    name = "woocommerce"

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = Options(**options)
        self.shop = Shop(self.options, lambda: self.home)
        self.webhooks = Webhooks(self.shop, self.lock)
        self._routes = Routes(self.shop, self.webhooks)
        self.webhook_secret = self.options.webhook_secret
        self.added: Json = {}
        """Fields that no page documents, in every order and product that is answered."""
        self._gate = Gate(
            self.options.consumer_key, self.options.consumer_secret, self.options.scope, ssl=self.options.https
        )

    @property
    def home(self) -> str:
        """The shop's own address, without a slash at the end."""
        return f"{self.base_url or HOME}{self.options.subfolder}"

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection; a shop that believes in TLS is asked with Basic."""
        made = {
            "url": f"{base_url}{self.options.subfolder}",
            "consumer_key": self.options.consumer_key,
            "consumer_secret": self._gate.secret,
            "webhook_secret": self.webhook_secret,
        }
        return made | {"auth": "basic"} if self.options.https else made

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What can be done through ``POST /_sandbox/do/<action>``."""
        return {**self.acts(), "maintenance": self._maintained, "fatal_error": self._crashed}

    def rehearsal(self) -> ShopRehearsal:
        """How the contract kit makes things happen here."""
        return ShopRehearsal(self)

    def change_secret(self, secret: str) -> None:
        """The shop's key has another consumer secret from now on."""
        self._gate.secret = secret

    def maintenance(self, times: int = 1, path: str = "/wp-json/") -> Fault:
        """WordPress updates itself: 503 with HTML and ``Retry-After: 600`` (vendor page section 1, measured)."""
        headers = {"content-type": _HTML, "retry-after": "600", "cache-control": _PRIVATE}
        return self.fault("status", path=path, times=times, status=503, headers=headers, body=_MAINTENANCE)

    def fatal_error(self, times: int = 1, path: str = "/wp-json/") -> Fault:
        """PHP dies: 500 with WordPress' error page."""
        headers = {"content-type": _HTML, "cache-control": _PRIVATE}
        return self.fault("status", path=path, times=times, status=500, headers=headers, body=_CRASH)

    def _maintained(self, times: int = 1) -> Json:
        return {"planned": self.maintenance(times).times}

    def _crashed(self, times: int = 1) -> Json:
        return {"planned": self.fatal_error(times).times}

    # requests

    def routes(self) -> Sequence[BaseRoute]:
        """One door; the shop finds its way by itself, as WordPress does."""
        return [Route("/{path:path}", self._answer, methods=_METHODS)]

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        with self.lock:
            status, headers, raw = self.handle(
                request.method, request.url.path, request.url.query, dict(request.headers), body
            )
        return Response(b"" if request.method == "HEAD" else raw, status, headers)

    def handle(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request: status, headers, body. `headers` have lower-case names."""
        date = format_datetime(self.shop.now(), usegmt=True)
        status, made, raw = self._site(method, path, query, headers, body)
        made = {name: value.replace(HOME, self.home) for name, value in made.items()}
        return status, {"Date": date} | made, raw

    def _site(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        folder = self.options.subfolder
        if folder and path != folder and not path.startswith(f"{folder}/"):
            return 404, {"Content-Type": _HTML}, _LOST
        inner = path.removeprefix(folder).removeprefix("/index.php") or "/"
        params = nested_query(query)
        route = params.pop("rest_route", None)
        if route is None and (inner == "/wp-json" or inner.startswith("/wp-json/")):
            if self.options.permalinks == "plain":
                return 301, {"Content-Type": _HTML, "Location": f"{HOME}/"}, b""
            route = inner.removeprefix("/wp-json")
        if isinstance(route, str) and (inner in ("", "/") or inner.startswith("/wp-json")):
            return self._api(method, path, query, params, headers, body, route.strip("/"))
        if inner.startswith("/wc-api/"):
            text = "The WooCommerce API is disabled on this site"
            return (
                404,
                {"Content-Type": _JSON},
                php_json({"errors": {"code": "woocommerce_api_disabled", "message": text}}),
            )
        if inner != "/":
            return 404, {"Content-Type": _HTML}, _LOST
        return 200, {"Content-Type": _HTML, "Link": self._api_link()}, _FRONT

    def _api_link(self) -> str:
        root = "/index.php?rest_route=/" if self.options.permalinks == "plain" else "/wp-json/"
        return f'<{HOME}{root}>; rel="https://api.w.org/"'

    def _api(
        self, method: str, path: str, query: str, params: Json, headers: Mapping[str, str], body: bytes, route: str
    ) -> tuple[int, dict[str, str], bytes]:
        made = {
            "Content-Type": _JSON,
            "X-Robots-Tag": "noindex",
            "X-Content-Type-Options": "nosniff",
            "Access-Control-Expose-Headers": "X-WP-Total, X-WP-TotalPages, Link",
            "Access-Control-Allow-Headers": (
                "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type"
            ),
            "Link": self._api_link(),
        }
        try:
            known = self._known(method, path, query, params, headers)
            if known:
                made |= {"Expires": "Wed, 11 Jan 1984 05:00:00 GMT", "Cache-Control": _PRIVATE}
                self._gate.check_scope(method)
            answer = self._run(method, route, params, headers, body, made, known=known)
        except ApiError as error:
            answer = Answer(error.body(), error.status)
        prefix = (b"\xef\xbb\xbf" if self.options.bom else b"") + self.options.php_notice.encode()
        return answer.status, made | answer.headers, prefix + self.shop.publish(answer.encoded())

    def _known(self, method: str, path: str, query: str, params: Json, headers: Mapping[str, str]) -> bool:
        """Whether the caller is logged in; keys count only where the shop recognises one of its own requests.

        It looks for ``wp-json/wc/`` or ``wp-json/wc-`` in the request as it was written, query included, so keys
        sent to ``?rest_route=`` are not seen (vendor page section 1, measured).
        """
        written = f"{path}?{query}" if query else path
        if not re.search(r"wp-json/wc[/-]", written):
            return False
        kept = dict(headers)
        if self.options.strip_authorization:
            kept.pop("authorization", None)
        url = f"{self.base_url or HOME}{path}"
        asked = params | ({"rest_route": nested_query(query)["rest_route"]} if "rest_route=" in query else {})
        return self._gate.admits(method, url, asked, kept, int(self.shop.now().timestamp()))

    def _run(
        self,
        method: str,
        route: str,
        query: Json,
        headers: Mapping[str, str],
        body: bytes,
        made: dict[str, str],
        *,
        known: bool,
    ) -> Answer:
        if not route:
            return Answer(reference.index(self.shop))
        methods, keys = self._routes.find(route)
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            raise no_route()
        if known:
            made["Allow"] = ", ".join(methods)
        given = _body(headers, body) if method not in ("GET", "HEAD") else {}
        merged = query | given
        checked = validate(merged, endpoint.schema, endpoint.required)
        self._permit(endpoint, known=known)
        root = "index.php?rest_route=" if self.options.permalinks == "plain" else "wp-json"
        call = Call(method, route, query, checked, checked, f"{HOME}/{root}/{route}")
        answer = endpoint.handler(call, *keys)
        if answer.raw is None and query.get("_fields"):
            answer.value = cut_fields(answer.value, str(query["_fields"]))
        if self.added and re.search(r"/(orders|products|variations)\b", route):
            answer = attrs.evolve(answer, value=None, raw=widened(answer.encoded(), self.added))
        if route.endswith("/orders") and method == "GET":
            self.after_list(call.shown)
        return answer

    def _permit(self, endpoint: Endpoint, *, known: bool) -> None:
        if endpoint.action and not (known and self.options.role == "shop_manager"):
            code, text = DENIED[endpoint.action]
            raise ApiError(code, text, 403 if known else 401)


def _body(headers: Mapping[str, str], body: bytes) -> Json:
    kind = headers.get("content-type", "")
    if not body:
        return {}
    if "json" not in kind:
        return nested_query(body.decode("utf-8", "replace"))
    try:
        value = json.loads(body)
    except ValueError as error:
        broken = isinstance(error, UnicodeDecodeError)
        text = "Malformed UTF-8 characters, possibly incorrectly encoded" if broken else "Syntax error"
        raise ApiError(
            "rest_invalid_json",
            "Invalid JSON body passed.",
            400,
            {
                "json_error_code": 5 if broken else 4,
                "json_error_message": text,
            },
        ) from error
    return value if isinstance(value, dict) else {}


def create(**options: Any) -> WooSandbox:
    """A new shop; options as in `Options`. Any other raises `ValueError`, which names those that there are."""
    known = [field.name for field in attrs.fields(Options)]
    strange = [name for name in options if name not in known]
    if strange:
        raise ValueError(f"there is no option {strange[0]!r}; there are: {', '.join(known)}")
    return WooSandbox(**options)
