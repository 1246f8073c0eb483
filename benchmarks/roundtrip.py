"""Row 13: from a sale in one sandbox to the order's receipt from another one, by webhook, through an idle runner."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossdock.app import App
from crossdock.sandbox import serve

CROSSDOCK = str(Path(sys.executable).parent / "crossdock")


@contextlib.contextmanager
def _project(stack: contextlib.ExitStack) -> Iterator[tuple[App, Any]]:
    """A shop that sells and an ERP that knows its article, with a live flow between them."""
    from crossdock_extendcommerce.sandbox import create as erp_system
    from crossdock_woocommerce.sandbox import create as shop_system

    shop, erp = shop_system(webhook_delay=0.0), erp_system()
    home = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-bench-"))
    os.environ["CROSSDOCK_HOME"] = home
    _crossdock("init", home)
    shop.seed(1)
    sku = next(each["sku"] for each in shop.state()["products"] if each.get("sku") and not each.get("variations"))
    erp.seed_products([{"productNumber": sku, "name": sku, "price": "10.00", "stock": {"MAIN": 1000}}])
    for name, connector, twin in (("shop", "woocommerce", shop), ("erp", "extendcommerce", erp)):
        settings = twin.settings(stack.enter_context(serve(twin)).url)
        pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        _crossdock("connection", "add", name, "-c", connector, *pairs)
    _crossdock("stream", "on", "shop", "orders")
    _crossdock("flow", "add", "to-erp", "orders", "shop", "erp", "--live")
    with App(Path(home)) as app:
        yield app, lambda: shop.sell(sku)


def _crossdock(*words: str) -> None:
    subprocess.run([CROSSDOCK, *words], check=True, stdout=subprocess.DEVNULL)


def round_trips(count: int = 20) -> list[float]:
    """Seconds of each sale's way, one after the other."""
    with contextlib.ExitStack() as stack:
        app, sell = stack.enter_context(_project(stack))
        runner = subprocess.Popen(
            [CROSSDOCK, "run", "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        stack.callback(runner.wait, timeout=30)
        stack.callback(runner.terminate)
        assert runner.stdout is not None
        url = json.loads(runner.stdout.readline())["url"]
        threading.Thread(target=runner.stdout.read, daemon=True).start()
        _crossdock("webhook", "register", "shop", "--base", url)
        taken = []
        for _ in range(count):
            _until_calm(app)
            before = _delivered(app)
            begun = time.monotonic()
            sell()
            while _delivered(app) == before:
                time.sleep(0.003)
            taken.append(time.monotonic() - begun)
        return taken


def _delivered(app: App) -> int:
    return app.store.effects.counts("to-erp").get(("to-erp", "done"), 0)


def _until_calm(app: App) -> None:
    time.sleep(1.2)
    while app.store.leases.held():
        time.sleep(0.05)
