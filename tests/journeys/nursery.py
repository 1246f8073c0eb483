"""A process that brings up sandboxes on demand, so that a journey's systems are processes of their own and start fast.

It reads one JSON object a line: ``{"start": "woocommerce", "port": 0, "options": {}}`` is answered with port, url and
settings, ``{"stop": 8801}`` with ``{}``; what goes wrong is answered as ``{"error": "..."}``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from crossdock.sandbox import Sandbox, serve
from crossdock_cdiscount.sandbox import create as make_octopia
from crossdock_extendcommerce.sandbox import create as make_erp
from crossdock_mirakl.sandbox import create as make_market
from crossdock_woocommerce.sandbox import WooSandbox
from crossdock_woocommerce.sandbox import orders as shop_orders
from crossdock_woocommerce.sandbox.wire import php_json
from crossdock_xdconnects.sandbox import create as make_supplier


class HostileShop(WooSandbox):
    """A shop in whose database a plugin has written nonsense."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._sound: dict[int, dict[str, Any]] = {}

    def actions(self) -> dict[str, Any]:
        """Two more: `mangle` and `mend`."""
        return {**super().actions(), "mangle": self.mangle, "mend": self.mend}

    def mangle(self, order_id: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Put anything at all into an order."""
        shop_orders.touch(self.shop, order_id)
        self._sound[order_id] = self.shop.orders.load(order_id)
        self.shop.orders.rows[order_id].raw = php_json(self._sound[order_id] | fields)
        return {}

    def mend(self, order_id: int) -> dict[str, Any]:
        """Make it again what it was."""
        self.shop.orders.save(self._sound.pop(order_id))
        shop_orders.touch(self.shop, order_id)
        return {}


MAKERS = {
    "woocommerce": HostileShop, "extendcommerce": make_erp, "mirakl": make_market, "cdiscount": make_octopia,
    "xdconnects": make_supplier,
}  # fmt: skip


def main() -> None:
    """Serve until there is nobody left who asks."""
    running: dict[int, contextlib.ExitStack] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = _start(running, asked) if "start" in asked else _stop(running, asked)
        except Exception as error:  # noqa: BLE001  the test is told
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _start(running: dict[int, contextlib.ExitStack], asked: dict[str, Any]) -> dict[str, Any]:
    sandbox: Sandbox = MAKERS[asked["start"]](**asked["options"])
    stack = contextlib.ExitStack()
    serving = stack.enter_context(serve(sandbox, asked["port"]))
    running[serving.port] = stack
    return {"port": serving.port, "url": serving.url, "settings": sandbox.settings(serving.url)}


def _stop(running: dict[int, contextlib.ExitStack], asked: dict[str, Any]) -> dict[str, Any]:
    running.pop(asked["stop"]).close()
    return {}


if __name__ == "__main__":
    main()
