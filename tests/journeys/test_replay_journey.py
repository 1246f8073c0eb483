"""From a parked record in the field to a test: exported without secrets and people, red there, green when mended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from kit import COMMAND, environment

from crossdock.app import App
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.sandbox import serve
from crossdock.store.config import FlowRow
from crossdock.testing.personal import Fakes
from crossdock.vault import new_key
from crossdock_extendcommerce.sandbox import create as make_erp
from crossdock_woocommerce.sandbox import WooSandbox
from crossdock_woocommerce.sandbox import orders as shop_orders
from crossdock_woocommerce.sandbox.wire import php_json

MENDED = """
from decimal import Decimal
from crossdock_woocommerce import mapping

broken = mapping.amount
mapping.amount = lambda value, path: Decimal("31.61") if value == "abc" else broken(value, path)
"""
REAL = {
    "first_name": "Brunhilde", "last_name": "Öxenstierna", "company": "Hüttenwerke Brökel", "city": "Ulm",
    "postcode": "89077", "country": "DE", "address_1": "Zwischengasse 117b", "email": "brunhilde@broekel.example",
    "phone": "+49 7305 552211",
}  # fmt: skip
PUBLIC = ("city", "postcode", "country")


@attrs.frozen
class Field:
    """A project in which an order could not be read (R1) and one was refused (E1), and the bundles of both."""

    home: Path
    secrets: tuple[str, ...]
    payload: dict[str, Any]
    effect: dict[str, Any]
    unknown: str

    def export(self, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [COMMAND, "parked", "export", *words, "--json"], cwd=self.home, env=environment(), capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        made: dict[str, Any] = json.loads(done.stdout)
        return made


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """The field, once for all: its systems are gone when the bundles are run."""
    home = tmp_path_factory.mktemp("field")
    (home / "crossdock.key").write_text(new_key())
    (home / "crossdock.toml").touch()
    shop, erp = WooSandbox(https=True), make_erp(generous=True, customers=("WEBSHOP",))
    with App(home) as app, serve(shop) as shop_at, serve(erp) as erp_at:
        settings = {"shop": shop.settings(shop_at.url), "erp": erp.settings(erp_at.url)}
        shop.seed(orders=0, products=4, seed=1)
        sku = next(each["sku"] for each in shop.state()["products"] if each["type"] == "simple")
        for name in ("unreadable", "refused"):
            order = shop.insert_order(status="processing", billing=REAL, line_items=[{"sku": sku, "quantity": 1}])
            if name == "unreadable":
                row = shop.shop.orders.load(order["id"])
                line = {**row["line_items"][0], "total": "abc"}
                shop_orders.touch(shop.shop, order["id"])
                shop.shop.orders.rows[order["id"]].raw = php_json(row | {"line_items": [line]})
        assert app.save("shop", "woocommerce", settings["shop"]).green
        assert app.save("erp", "extendcommerce", settings["erp"]).green
        flow = FlowRow(name="orders", stream="orders", source="shop", target="erp", mode="live")
        app.store.config.save_flow(flow, app.clock.now())
        assert pull(app.bench, "shop", "orders").counts.parked == 1
        assert push(app.bench, flow).counts.parked == 1
    secrets = (settings["shop"]["consumer_key"], settings["shop"]["consumer_secret"], settings["erp"]["password"])
    made = Field(home, secrets, {}, {}, sku)
    return attrs.evolve(made, payload=made.export("R1"), effect=made.export("E1"))


def replay(*bundles: Path, python_path: Path | None = None, plugins: tuple[str, ...] = ()) -> str:
    """What pytest says to bundles, run where neither the project nor its systems are."""
    words = [word for bundle in bundles for word in ("--crossdock-replay", str(bundle))]
    words += [word for plugin in plugins for word in ("-p", plugin)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-rP", "-p", "no:cacheprovider", *words], cwd=bundles[0].parent,
        env=environment(**({"PYTHONPATH": str(python_path)} if python_path else {})), capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def red(field, tmp_path_factory):
    """What pytest says to both bundles, and to one without its answers."""
    folder = tmp_path_factory.mktemp("red")
    bundle = json.loads((field.home / field.effect["file"]).read_text())
    (folder / "silent.json").write_text(json.dumps({**bundle, "id": "E9", "exchanges": []}))
    return replay(field.home / field.payload["file"], field.home / field.effect["file"], folder / "silent.json")


@pytest.fixture(scope="module")
def green(field, tmp_path_factory):
    """What pytest says to both bundles when the connector is mended, and a mapping row is in the bundle."""
    folder = tmp_path_factory.mktemp("green")
    (folder / "mended.py").write_text(MENDED)
    bundle = json.loads((field.home / field.effect["file"]).read_text())
    bundle["mapping"].append(["sku", field.unknown, "ANOTHER"])
    (folder / "mapped.json").write_text(json.dumps(bundle))
    return replay(
        field.home / field.payload["file"], folder / "mapped.json", python_path=folder, plugins=("mended",)
    )  # fmt: skip


def text(field, what):
    return (field.home / what["file"]).read_text()


@pytest.mark.slow
def test_a_bundle_fails_in_the_same_way_where_it_is_written(field):
    assert field.payload["reproduced"]
    assert field.effect["reproduced"]


@pytest.mark.slow
def test_a_bundle_has_no_secret(field):
    for what in (field.payload, field.effect):
        assert not [secret for secret in field.secrets if secret in text(field, what)]
        assert "canary" in text(field, what)


@pytest.mark.slow
def test_a_bundle_is_read_by_its_owner_only(field):
    assert (field.home / field.payload["file"]).stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_bundle_has_no_person(field):
    for what in (field.payload, field.effect):
        everything = text(field, what).lower()
        assert not [each for name, each in REAL.items() if name not in PUBLIC and each.lower() in everything]
        assert "brunhilde" not in everything
        assert {"name", "email", "phone", "street"} <= set(what["replaced"])


@pytest.mark.slow
def test_what_shall_stay_stays(field):
    made = field.export("R1", "-o", "streets.json", "--keep-personal", "street")

    assert "Zwischengasse 117b" in text(field, made)
    assert "Brunhilde" not in text(field, made)


@pytest.mark.slow
def test_a_payload_that_cannot_be_read_is_red_with_its_field(field, red):
    order = json.loads(text(field, field.payload))["key"]

    assert f"woocommerce orders {order} (R1) FAILED" in red
    assert "line_items.total is not a number: 'abc'." in red
    assert "Field: line_items.total" in red


@pytest.mark.slow
def test_a_refused_order_is_red_with_the_vendors_words(field, red):
    assert "(E1) FAILED" in red
    assert f"Product {field.unknown} does not exist." in red
    assert "Field: lines[0].sku" in red
    assert f"Unknown sku: {field.unknown}" in red


@pytest.mark.slow
def test_what_is_not_recorded_is_refused(red):
    assert "(E9) FAILED" in red
    assert "It asked for what is not recorded: GET http" in red


@pytest.mark.slow
def test_a_payload_is_green_when_the_connector_is_mended(green):
    assert "(R1) PASSED" in green


@pytest.mark.slow
def test_a_refused_order_is_green_when_it_is_sent_otherwise_and_shows_how(field, green):
    assert "(E1) PASSED" in green
    assert "What the vendor answers to it only the vendor knows." in green
    assert '"ANOTHER"' in green


def test_fakes_have_the_shape_of_what_they_replace():
    fakes = Fakes()
    fakes.learn({"billing": {"name": "Åsa O'Neil", "phone": "+46 70-123", "email": "asa@neil.example"}})

    fake = fakes.document({"name": "Åsa O'Neil", "tel": "+46 70-123", "text": "Åsa O'Neil <asa@neil.example> wrote"})

    assert [len(part) for part in fake["name"].split(" ")] == [3, 6]
    assert fake["name"] != "Åsa O'Neil"
    assert fake["name"][0] == "Å"
    assert fake["tel"][0] == "+"
    assert fake["text"].startswith(f"{fake['name']} <")
    assert "asa@neil.example" not in fake["text"]


def test_a_fake_is_the_same_wherever_the_word_stands():
    fakes = Fakes()
    fakes.learn({"billing": {"first_name": "Eva", "last_name": "Berg"}, "customer": {"name": "Eva Berg"}})

    assert fakes.text("Eva Berg") == f"{fakes.text('Eva')} {fakes.text('Berg')}"


def test_a_body_keeps_the_digits_of_its_numbers():
    fakes = Fakes()
    fakes.learn({"billing": {"first_name": "Eva"}})

    assert fakes.body('{"total": 10.00, "who": "Eva", "Eva": 1}').startswith('{"total": 10.00, "who": "')
    assert '"Eva": 1' in fakes.body('{"total": 10.00, "who": "Eva", "Eva": 1}')
