"""The examples of ambient plugins do in a real project what their pages say."""

from __future__ import annotations

import http.server
import json
import shutil
import sys
import threading
import tomllib
from pathlib import Path

import pytest
from isolation_kit import eventually
from plugin_kit import install

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def use(crossdock, monkeypatch):
    """Installs an example the way its project file says, or copies its file into the project."""
    loaded = []

    def add(name):
        folder = EXAMPLES / name
        if (folder / "crossdock_local.py").is_file():
            shutil.copy(folder / "crossdock_local.py", crossdock.home)
            return
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        ((entry, module),) = project["entry-points"]["crossdock.plugins"].items()
        source = (folder / "src" / f"{module}.py").read_text()
        install(crossdock.site, entry, source, version=project["version"], module=module, group="crossdock.plugins")
        monkeypatch.setenv("CROSSDOCK_PLUGINS", f"acme,{entry}")
        loaded.append(module)

    yield add
    for module in loaded:
        sys.modules.pop(module, None)


def link(crossdock, name="to-erp", stream="orders", source="shop", target="erp"):
    """Connect both systems and send a stream from one to the other."""
    if not crossdock.json("connection", "list"):
        crossdock.connect()
    crossdock.run("stream", "on", source, stream)
    crossdock.run("flow", "add", name, stream, source, target)
    crossdock.run("flow", "live", name)


# -- four eyes -----------------------------------------------------------------------------------------


@pytest.fixture
def held(crossdock, use, monkeypatch):
    """A project with a large and a small order, of which the large one is held; answers its number."""
    use("four-eyes")
    monkeypatch.setenv("CROSSDOCK_FOUR_EYES_ABOVE", "1000")
    link(crossdock)
    crossdock.shop.order("1", "999.00")
    crossdock.shop.order("2", "1000.01")
    crossdock.run("sync")
    crossdock.run("push", code=None)
    (effect,) = crossdock.json("effects", "list", "--state", "awaiting")
    return str(effect["id"])


def delivered(crossdock):
    """The keys of the orders that the ERP has."""
    return sorted(row["reference"] for row in crossdock.erp.orders.values())


def test_a_large_order_waits_and_a_small_one_does_not(crossdock, held):
    assert delivered(crossdock) == ["shop-1"]
    assert "two different persons have to approve it" in crossdock.run("effects", "show", held).stdout


def test_two_different_persons_let_it_go(crossdock, held):
    first = crossdock.run("effects", "approve", held, "--by", "anna", code=1).stdout
    crossdock.run("push", code=None)
    assert "Approved by anna, but a second person has to approve it as well." in first
    assert delivered(crossdock) == ["shop-1"]

    crossdock.run("effects", "approve", held, "--by", "bert")
    crossdock.run("push")

    assert delivered(crossdock) == ["shop-1", "shop-2"]


def test_the_same_person_twice_is_one_person(crossdock, held):
    crossdock.run("effects", "approve", held, "--by", "anna", code=1)
    crossdock.run("effects", "approve", held, "--by", "anna", code=1)
    crossdock.run("push", code=None)

    assert delivered(crossdock) == ["shop-1"]


def test_a_change_makes_the_first_approval_void(crossdock, held):
    crossdock.run("effects", "approve", held, "--by", "anna", code=1)
    crossdock.shop.order("2", "5000.00")
    crossdock.run("sync", "shop", "orders", "--full")
    crossdock.run("push", code=None)

    crossdock.run("effects", "approve", held, "--by", "bert", code=1)
    crossdock.run("push", code=None)

    assert delivered(crossdock) == ["shop-1"]


def test_who_approved_is_in_the_history(crossdock, held):
    crossdock.run("effects", "approve", held, "--by", "anna", code=1)
    crossdock.run("effects", "approve", held, "--by", "bert")

    history = [(row["state"], row["message"]) for row in crossdock.json("effects", "show", held)["history"]]
    assert [text for _, text in history if text.startswith("Approved by anna, but")]
    assert [state for state, text in history if text.startswith("By bert: ")] == ["approved"]


def test_a_limit_that_cannot_be_read_lets_nothing_pass(crossdock, held, monkeypatch):
    monkeypatch.setenv("CROSSDOCK_FOUR_EYES_ABOVE", "a lot")
    crossdock.shop.order("3", "1.00")
    crossdock.run("sync")

    said = crossdock.run("push", code=None).output

    assert "'a lot', which is no amount" in said
    assert delivered(crossdock) == ["shop-1"]


# -- prefix --------------------------------------------------------------------------------------------


def test_stock_loses_the_prefix_and_what_has_none_stays_out(crossdock, use):
    use("sku-prefix")
    link(crossdock, "stock", "balance", "erp", "shop")
    crossdock.erp.stock.update({"ACME-A-1": "5", "PALLET": "9"})
    crossdock.run("sync")
    crossdock.run("push")

    assert crossdock.shop.stock == {"A-1": "5"}


def test_orders_get_the_prefix(crossdock, use):
    use("sku-prefix")
    link(crossdock)
    crossdock.shop.order("1")
    crossdock.run("sync")
    (effect,) = crossdock.json("effects", "list")
    crossdock.run("push")

    sent = crossdock.json("effects", "show", str(effect["id"]))["sent_document"]
    assert [line["sku"] for line in sent["lines"]] == ["ACME-A-1"]


# -- alerts --------------------------------------------------------------------------------------------


class Chat(http.server.ThreadingHTTPServer):
    """Takes messages; `wait` is how long it thinks about each."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Taking)
        self.said = []
        self.wait = threading.Event()
        self.slow = False
        self.url = f"http://127.0.0.1:{self.server_port}/hooks/s3cret"


class _Taking(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.slow:
            self.server.wait.wait(20)
        self.server.said.append(json.loads(body)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def chat(crossdock, use, monkeypatch):
    """A chat that is told of troubles."""
    use("alerts")
    with Chat() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("CROSSDOCK_ALERTS_URL", server.url)
        yield server
        server.wait.set()
        server.shutdown()
        thread.join()


def test_a_parked_record_is_told(crossdock, chat):
    crossdock.connect("shop")
    crossdock.run("stream", "on", "shop", "orders")
    crossdock.shop.order("7", "broken")
    crossdock.run("sync", code=1)

    eventually(lambda: chat.said)
    assert chat.said == ["Crossdock, shop: 7 needs a person: The total is no number."]


def test_a_paused_connection_is_told_once(crossdock, chat):
    crossdock.connect("shop")
    crossdock.run("stream", "on", "shop", "orders")
    crossdock.shop.token = "acme-another"
    crossdock.run("sync", code=1)
    crossdock.run("sync", code=None)

    eventually(lambda: chat.said)
    (text,) = chat.said
    assert text.startswith("Crossdock, shop: it is paused: ")


def test_a_slow_chat_holds_up_nothing(crossdock, chat):
    chat.slow = True
    link(crossdock)
    for number in range(8):
        crossdock.shop.order(str(number), "broken" if number % 2 else "5.00")
    crossdock.run("sync", code=1)
    crossdock.run("push")

    assert len(crossdock.erp.orders) == 4
    assert not chat.said
    chat.wait.set()
    eventually(lambda: len(chat.said) == 4)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/hooks/s3cret", "no address at all"])
def test_a_chat_that_is_gone_stops_nothing_and_its_address_is_not_said(crossdock, chat, monkeypatch, caplog, address):
    monkeypatch.setenv("CROSSDOCK_ALERTS_URL", address)
    link(crossdock)
    crossdock.shop.order("1")
    crossdock.shop.order("2", "broken")
    crossdock.run("sync", code=1)
    crossdock.run("push")

    assert len(crossdock.erp.orders) == 1
    eventually(lambda: "An alert could not be posted" in caplog.text)
    assert "s3cret" not in caplog.text


def test_what_does_not_fit_is_counted_and_said_later(crossdock, chat):
    crossdock.run("connectors")
    teller = sys.modules["crossdock_alerts"].teller
    chat.slow = True
    teller.tell("first")
    eventually(lambda: teller._queue.empty())
    for number in range(130):
        teller.tell(str(number))
    chat.wait.set()

    eventually(lambda: len(chat.said) == 101)
    assert chat.said[:2] == ["first", "0 (and 30 more)"]


def test_a_last_message_is_waited_for_but_not_for_long(crossdock, chat):
    crossdock.run("connectors")
    teller = sys.modules["crossdock_alerts"].teller
    chat.slow = True
    teller.tell("late")
    teller.finish(0.1)
    assert not chat.said

    chat.wait.set()
    teller.finish(20)
    assert chat.said == ["late"]


def test_others_put_alerts_into_their_own_words(crossdock, chat):
    readme = (EXAMPLES / "alerts" / "README.md").read_text()
    (crossdock.home / "crossdock_local.py").write_text(readme.split("```python\n")[1].split("```")[0])
    crossdock.connect("shop")
    crossdock.run("stream", "on", "shop", "orders")
    crossdock.shop.order("7", "broken")
    crossdock.run("sync", code=1)
    crossdock.shop.token = "acme-another"
    crossdock.run("sync", code=1)

    eventually(lambda: chat.said)
    (text,) = chat.said
    assert text.startswith("@oncall shop: it is paused: ")
