"""Planted secrets appear nowhere: not in output, logs, database, exports, in whatever shape."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

pytestmark = pytest.mark.slow

SHOP_SECRET = "cs_ä+/=&%\"'<>\\ §x9Qw7"
ERP_PASSWORD = "pw_ö+/=&%\"'<>\\ §y8Rt4"
HOOK_SECRET = "hook-ü+/=%\\ §z7Kp3"
WRONG_SECRET = "cs_é+/=&%\"'<>\\ §w6Mn5"
SECRETS = (SHOP_SECRET, ERP_PASSWORD, HOOK_SECRET, WRONG_SECRET)
QUESTIONS = (
    ("doctor",), ("status",), ("connection", "show", "shop"), ("connection", "show", "erp"), ("parked", "list"),
    ("effects", "list"), ("log", "runs"), ("log", "events"), ("log",), ("flow", "show", "to-erp"),
    ("export",),
)  # fmt: skip


def shapes(secret):
    """How a secret may be written."""
    raw = secret.encode()
    yield secret
    yield from {quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="").lower()}
    yield from {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    yield json.dumps(secret)[1:-1].replace("/", "\\/")
    yield json.dumps(json.dumps(secret))[3:-3]
    yield html.escape(secret)
    yield raw.hex()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        core = coded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield from {core, core.replace("+", "-").replace("/", "_"), quote(core, safe="")}


def echoes(secret, user):
    """An error body of a system that is too talkative."""
    login = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return json.dumps({
        "code": "denied", "message": f"Login failed: Authorization: Basic {login} ({secret}; {quote(secret)})",
        "Message": f"Basic {login}: {secret}", "query": f"consumer_secret={quote_plus(secret)}",
    })  # fmt: skip


def planted(text):
    """Which secrets are in a text, and as what."""
    return [(secret[:3], shape) for secret in SECRETS for shape in shapes(secret) if shape in text]


@pytest.fixture(params=["basic", "query"])
def told(request, make):
    """Everything that was said and kept in a journey full of failures."""
    world = make(
        {"consumer_secret": SHOP_SECRET}, {"password": ERP_PASSWORD, "webhook_secret": HOOK_SECRET}, connect=False
    )  # fmt: skip
    project, said = world.project, []

    def run(*words, code=None):
        said.append(project.run(*words, code=code).text)

    key, user = world.shop.settings["consumer_key"], world.erp.settings["username"]
    shop = {"auth": request.param, "webhook_secret": "plain-hook-secret"}
    world.shop.fault("status", status=401, path="system_status", body=echoes(SHOP_SECRET, key))
    run(*project.adding("shop", world.shop, **shop), code=1)
    run(*project.adding("shop", world.shop, **{**shop, "consumer_secret": WRONG_SECRET}), code=1)
    run(*project.adding("shop", world.shop, **shop), code=0)
    run(*project.adding("erp", world.erp), code=0)
    world.fill(orders=6)
    world.link()
    run("connection", "edit", "shop", "--set", f"consumer_secret={WRONG_SECRET}", code=1)
    for status in (500, 400):
        world.shop.fault("status", status=status, path="/wc/v3/orders", body=echoes(SHOP_SECRET, key))
        world.erp.fault("status", method="POST", status=status, path="CustomerOrders", body=echoes(ERP_PASSWORD, user))
        run("sync", "shop", "orders")
        run("push", "--wait", "2")
    run("push", "--wait", "3")
    world.shop.fault("prefix", path="/wc/v3/orders", body=f"<br />Warning: {SHOP_SECRET} {quote(SHOP_SECRET)}")
    run("sync", "shop", "orders", "--full")
    world.erp.fault("status", status=401, path="CustomerOrders", body=echoes(ERP_PASSWORD, user), times=9)
    run("sync", "erp", "orders")
    for words in QUESTIONS:
        run(*words, *(["--json"] if request.param == "query" else []))
    run("export", "--output", str(project.home / "exported.toml"))
    return world, "\n".join(said)


def test_no_secret_is_said_or_kept_in_any_shape(told):
    world, said = told
    exchanges = world.project.query("SELECT response_body FROM exchange WHERE status IN (400, 401, 500)")
    kept = {
        path.name: path.read_bytes().decode("utf-8", "replace")
        for path in sorted(world.project.home.rglob("*")) if path.is_file()
    }  # fmt: skip

    assert exchanges, "the failures are in the exchange log, otherwise this proves nothing"
    assert "exported.toml" in kept
    assert planted(said) == []
    assert {name: planted(text) for name, text in kept.items() if planted(text)} == {}


@pytest.mark.parametrize(("https", "auth"), [(True, "basic"), (True, "query"), (False, "oauth")])
def test_a_secret_with_special_characters_opens_the_door(make, https, auth):
    world = make({"consumer_secret": SHOP_SECRET, "https": https}, connect=False)
    world.project.connect(shop=(world.shop, {"auth": auth}))
    world.shop.do("seed", orders=3)

    assert world.sync()["new"] == 3


def test_a_secret_may_stay_in_the_environment_or_in_a_file(make, tmp_path):
    (tmp_path / "password").write_text(ERP_PASSWORD + "\n", encoding="utf-8")
    world = make({"consumer_secret": SHOP_SECRET}, {"password": ERP_PASSWORD}, connect=False, SHOP_SECRET=SHOP_SECRET)
    world.project.connect(
        shop=(world.shop, {"consumer_secret": "env:SHOP_SECRET"}),
        erp=(world.erp, {"password": f"file:{tmp_path / 'password'}"}),
    )
    stored = " ".join(row[0] for row in world.project.query("SELECT settings FROM connection"))

    assert "env:SHOP_SECRET" in stored
    assert planted(stored) == []
