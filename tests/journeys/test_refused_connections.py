"""What cannot work is said in a sentence when the connection is added; nothing is saved and nothing is changed."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow

NOBODY = "http://127.0.0.1:9"

# name: (options of the shop, settings that differ, exit code, what is said)
SHOP = {
    "wrong secret": ({}, {"consumer_secret": "cs_wrong"}, 1, "Consumer secret is invalid"),
    "wrong secret over http": ({"https": False}, {"consumer_secret": "cs_wrong"}, 1, "signature"),
    "unknown key": ({"https": False}, {"consumer_key": "ck_unknown"}, 1, "Consumer key is invalid"),
    "read-only key": ({"scope": "read"}, {}, 1, "does not have write permissions"),
    "write-only key": ({"scope": "write"}, {}, 1, "does not have read permissions"),
    "key of a customer": ({"role": "customer"}, {}, 1, "shop manager"),
    "nobody there": ({}, {"url": NOBODY}, 1, "cannot be reached"),
    "no such folder": ({}, {"url": "{shop}/nothing"}, 1, "no WordPress API"),
    "another system": ({}, {"url": "{erp}"}, 1, "no WordPress API"),
    "plain permalinks, pretty route": ({"permalinks": "plain"}, {"route": "pretty"}, 1, "Permalinks"),
    "stripped header": ({"strip_authorization": True}, {}, 1, "strips the Authorization header"),
    "basic over http": ({"https": False}, {"auth": "basic"}, 1, "ignored over http"),
    "too old": ({"version": "7.0.0"}, {}, 1, "too old"),
    "PHP warnings": ({"php_notice": "<br />Warning: x<br />"}, {}, 1, "PHP"),
    "no address": ({}, {"url": "shop.example"}, 2, "must begin with https://"),
    "back office": ({}, {"url": "{shop}/wp-admin"}, 2, "back office"),
    "keys swapped": ({}, {"consumer_key": "cs_1"}, 2, "That is the consumer secret"),
    "link instead of secret": ({}, {"consumer_secret": "https://onetimesecret.com/secret/abc"}, 2, "link"),
    "unknown setting": ({}, {"colour": "red"}, 2, "colour"),
    "no secret": ({}, {"consumer_secret": ""}, 2, "Consumer secret"),
}
ERP = {
    "wrong password": ({}, {"password": "wrong"}, 1, "Check user name, password"),
    "wrong user": ({}, {"username": "nobody"}, 1, "Check user name, password"),
    "wrong client": ({}, {"client": "OTHER"}, 1, "client"),
    "other login header": ({"auth_header": "Authorization"}, {}, 1, "login header"),
    "read-only user": ({"read_only": True}, {}, 1, "permissioned per method"),
    "unknown customer": ({}, {"customer_number": "K-0"}, 1, "customer number"),
    "unknown article": ({}, {"freight_product": "NONE-1"}, 1, "NONE-1"),
    "nobody there": ({}, {"api_url": f"{NOBODY}/RESTAPI"}, 1, "cannot be reached"),
    "address of the server": ({}, {"api_url": "{erp}"}, 1, "/RESTAPI"),
    "another system": ({}, {"api_url": "{shop}"}, 1, "API address"),
    "address with version": ({}, {"api_url": "{erp}/RESTAPI/v1_0"}, 2, "ends before /v1_0"),
    "no address": ({}, {"api_url": "server/RESTAPI"}, 2, "must start with https://"),
    "no password": ({}, {"password": ""}, 2, "Password"),
}


def refused(world, name, twin, settings, code, said):
    """Adding fails with `code` and says so; the project and the systems are as before."""
    before = [each.state() for each in (world.shop, world.erp)]
    places = {"shop": world.shop.url, "erp": world.erp.url}
    filled = {key: value.format_map(places) for key, value in settings.items()}
    done = world.project.run(*world.project.adding(name, twin, **filled), code=code)

    assert said in " ".join(done.text.split())
    assert world.project.query("SELECT name FROM connection") == []
    assert [each.state() for each in (world.shop, world.erp)] == before
    for each in (world.shop, world.erp):
        assert each.writes() == []


@pytest.mark.parametrize("case", SHOP)
def test_a_shop_that_cannot_be_worked_with_is_not_saved(make, case):
    options, settings, code, said = SHOP[case]
    world = make(options, connect=False)
    refused(world, "shop", world.shop, settings, code, said)


@pytest.mark.parametrize("case", ERP)
def test_an_erp_that_cannot_be_worked_with_is_not_saved(make, case):
    options, settings, code, said = ERP[case]
    world = make(None, options, connect=False)
    world.erp.do("seed", count=3)
    refused(world, "erp", world.erp, settings, code, said)


@pytest.mark.parametrize(
    ("options", "settings"),
    [({"permalinks": "plain"}, {}), ({"strip_authorization": True}, {"auth": "query"}), ({"https": False}, {}),
     ({"subfolder": "/shop"}, {}), ({"bom": True}, {})],
)  # fmt: skip
def test_a_shop_with_a_peculiarity_that_can_be_lived_with_is_read(make, options, settings):
    world = make(options, connect=False)
    world.shop.do("seed", orders=3)
    world.project.connect(shop=(world.shop, settings))

    assert world.sync()["new"] == 3


def test_a_password_that_is_changed_later_pauses_the_connection_and_loses_nothing(world):
    world.fill(orders=4)
    world.sync()
    world.erp.fault("status", status=401, times=1000, body='{"Message":"Authorization has been denied."}')
    said = world.project.run("push", code=1).text
    again = world.project.run("push", code=1).text
    world.erp.reset()
    world.project.run("connection", "verify", "erp")
    world.settle()

    assert "401" in said
    assert "paused" in again
    assert len(world.erp.state()["orders"]) > 0
