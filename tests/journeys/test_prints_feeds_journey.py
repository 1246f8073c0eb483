"""The supplier's feeds on bad days, the sending process killed at any moment, and secrets that stay secret."""

from __future__ import annotations

import contextlib
import sqlite3
from urllib.parse import quote

import pytest
from kit import dice, kill_after, poll
from printing import CONFIG, SMALL, SYSTEMS, Prints
from stand import Stand, System
from test_secrets import shapes

pytestmark = pytest.mark.slow

FEEDS = ("products", "prices", "balance")
SECRETS = ("token-Zq8/+=%s", "code-Xw7/+=%s", "feed-Yv6-secret-part")


@pytest.fixture(scope="module")
def stand(template, nursery, tmp_path_factory):
    """A project whose orders go to the supplier; repeated orders would be made twice there."""
    supplier = System(
        "xdconnects", {**SYSTEMS["supplier"].options, "duplicate_check": False}, SYSTEMS["supplier"].settings
    )
    systems = {**SYSTEMS, "supplier": supplier}
    return Stand.build(template, tmp_path_factory.mktemp("feeds") / "project", nursery, systems, CONFIG)


@pytest.fixture
def prints(stand, nursery, tmp_path):
    """A shop with the supplier's goods; orders up to 500 need no approval."""
    with stand.trade(tmp_path / "project", nursery) as trade:
        made = Prints(trade)
        made.stock_shop()
        yield made


# -- feeds ---------------------------------------------------------------------------------------------


def records(prints, stream):
    """What is kept of a stream."""
    return prints.project.query(f"SELECT key, document FROM record WHERE stream = '{stream}' ORDER BY key")


def file(prints, name):
    """The last good file of a feed, without its age."""
    return prints.project.query(f"SELECT content, facts FROM file WHERE name = '{name}'")


def test_a_broken_feed_is_one_sentence_and_the_last_good_file_and_records_stay(prints):
    prints.project.run("sync", "supplier", "prices")
    before = records(prints, "prices"), file(prints, "prices_feed")
    for kind, words in (
        ("cut", "it is cut off"), ("error_document", "it is a web page or an error document"),
        ("mixed_currency", "different values of Currency"),
    ):  # fmt: skip
        prints.supplier.do("break_feed", feed="ProductPrices", kind=kind)
        prints.supplier.do("change_price", item="SIM-0001", net="1.11", tier=1)
        prints.a_day_later()
        said = prints.project.run("sync", "supplier", "prices", code=1)
        assert words in said.text
        assert said.text.count("prices feed") == 1
        assert (records(prints, "prices"), file(prints, "prices_feed")) == before

    prints.supplier.do("break_feed", feed="ProductPrices", kind="")
    prints.a_day_later()
    prints.project.run("sync", "supplier", "prices")
    assert records(prints, "prices") != before[0]


def test_no_feed_is_asked_for_twice_in_five_minutes_whoever_asks(template, nursery, tmp_path):
    project = template.copy(tmp_path / "project")
    with nursery.twin("xdconnects", strict_limits=True) as supplier:
        project.run(*project.adding("supplier", supplier))
        running = [project.start("sync", "supplier", stream) for stream in (*FEEDS, *FEEDS)]
        for process in running:
            process.communicate(timeout=60)
        project.run("connection", "verify", "supplier")
        project.run("connection", "edit", "supplier", "--set", "live_ordering=yes")
        calls = supplier.state()["calls"]

    assert {name: number for name, number in calls.items() if "feed" in name and number != 1} == {}
    assert not [name for name in calls if name.startswith("feed_too_often")]


def test_a_feed_that_failed_is_not_asked_for_again_within_five_minutes_either(template, nursery, tmp_path):
    project = template.copy(tmp_path / "project")
    with nursery.twin("xdconnects") as supplier:
        project.run(*project.adding("supplier", supplier))
        _six_minutes_later(project)
        supplier.do("break_feed", feed="Stock", kind="error_document")
        for words in (
            ("sync", "supplier", "balance"),
            ("sync", "supplier", "balance"),
            ("connection", "verify", "supplier"),
        ):
            project.run(*words, code=None)
        calls = supplier.state()["calls"]

    assert calls["feed:Stock"] == 2  # when the connection was added, and once six minutes later


def _six_minutes_later(project):
    project.new_minute()
    with contextlib.closing(sqlite3.connect(project.home / "crossdock.db", timeout=10)) as connection:
        connection.execute("UPDATE file SET kept_at = strftime('%Y-%m-%dT%H:%M:%f000Z', kept_at, '-6 minutes')")
        connection.commit()


# -- kill -9 -------------------------------------------------------------------------------------------


def there(prints):
    """How often the supplier has each order of the shop."""
    found = {}
    for each in prints.taken():
        key = each["reference"].removeprefix("shop-")
        found[key] = found.get(key, 0) + 1
    return found


def test_a_sender_that_is_killed_at_any_moment_orders_nothing_twice_and_loses_nothing(prints):
    chance, kills = dice(7), 10
    bought = [prints.buy(SMALL, printed=False) for _ in range(150)]
    prints.read()
    prints.supplier.fault("slow", method="POST", path="/api/orders", seconds=0.03, times=100_000)
    killed = 0
    for _ in range(kills * 2):
        if killed == kills:
            break
        prints.project.new_minute()
        process = prints.project.start("push", "orders")
        killed += kill_after(process, prints.supplier, chance.randrange(1, 4), chance.uniform(0, 0.06))
    asked = prints.posts()
    last = prints.project.start("push", "orders")
    poll(lambda: prints.posts() > asked)
    last.terminate()
    last.communicate(timeout=60)
    counts = there(prints)
    states = {each["key"]: each["state"] for each in prints.effects()}

    assert killed == kills
    assert set(states) == set(bought)
    assert set(counts.values()) == {1}
    assert set(states.values()) <= {"done", "in_doubt", "ready"}
    assert {key for key in counts if states[key] == "ready"} == set()
    assert {key for key in bought if states[key] == "done" and key not in counts} == set()
    numbers = {each["reference"].removeprefix("shop-"): each["orderNumber"] for each in prints.taken()}
    assert {each["key"]: each["external_id"] for each in prints.effects("done")}.items() <= numbers.items()


# -- secrets -------------------------------------------------------------------------------------------


def test_a_one_time_link_is_refused_as_a_token_with_the_reason(template, nursery, tmp_path):
    project = template.copy(tmp_path / "project")
    with nursery.twin("xdconnects") as supplier:
        words = project.adding("supplier", supplier, api_token="https://onetimesecret.example/secret/k3yk3yk3y")
        refused = project.run(*words, code=2)

    assert "one-time link" in refused.stderr
    assert "k3yk3yk3y" not in refused.text
    assert supplier_is_unknown(project)


def supplier_is_unknown(project):
    """Nothing was saved."""
    return project.json("connection", "list") == []


def test_feed_links_and_tokens_are_said_and_kept_nowhere(stand, nursery, tmp_path):
    token, code, feed = SECRETS
    options = {"api_token": token, "security_code": code, "feed_token": feed}
    with stand.trade(tmp_path / "project", nursery, supplier=options) as trade:
        prints, project = Prints(trade), trade.project
        prints.stock_shop()
        said = _a_bad_day(prints, f"<a href='{prints.supplier.settings['prices_feed']}'>{token} {quote(code)}</a>")
    kept = {
        each.name: each.read_bytes().decode("utf-8", "replace") for each in project.home.rglob("*") if each.is_file()
    }
    planted = [shape for secret in SECRETS for shape in shapes(secret)]

    assert len(project.query("SELECT id FROM exchange WHERE status >= 400")) >= 3
    assert {"crossdock.db", "out.toml"} <= set(kept)
    assert [(place, each) for place, text in {**kept, "": said}.items() for each in planted if each in text] == []


def _a_bad_day(prints, echo):
    """Everything that is said while a talkative system fails in many ways."""
    said = []

    def run(*words, code=None):
        said.append(prints.project.run(*words, code=code).text)

    pairs = [word for pair in prints.supplier.settings.items() for word in ("--set", "=".join(pair))]
    prints.supplier.fault("status", status=500, path="/Feeds", body=echo)
    run("connection", "edit", "supplier", *pairs, code=1)
    prints.supplier.reset()
    run("connection", "edit", "supplier", *pairs, code=0)
    for kind, fault in (("cut", {}), ("", {"kind": "cut_before"}), ("", {"kind": "status", "status": 404})):
        prints.supplier.do("break_feed", feed="ProductPrices", kind=kind)
        if fault:
            prints.supplier.fault(path="/Feeds", **fault, **({"body": echo} if "status" in fault else {}))
        _six_minutes_later(prints.project)
        run("sync", "supplier", "prices", code=1)
    prints.buy(SMALL)
    run("sync", "shop", "orders", code=0)
    for status in (401, 400, 500):
        run("connection", "resume", "supplier", code=0)
        prints.supplier.fault("status", status=status, method="POST", path="/api/orders", body=echo)
        run("push", "orders", code=1)
        if status == 400:
            run("parked", "replay", "--flow", "orders", code=0)
    for words in (("connection", "show", "supplier"), ("log", "--json"), ("status",), ("doctor",),
                  ("effects", "show", "1"), ("export", "--output", "out.toml")):  # fmt: skip
        run(*words)
    return "\n".join(said)
