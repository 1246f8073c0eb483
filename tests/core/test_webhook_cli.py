"""``crossdock webhook``: addresses, ticks, what came in, and the door in a process of its own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
from click.testing import CliRunner
from depot import TOKEN, Depot
from webhook_kit import SECRET, Vendor, body_of, install_hooked, path_of, signed

from crossdock.app import App
from crossdock.cli import main
from crossdock.cli import webhook as commands
from crossdock.sandbox import serve
from crossdock.store.database import stamp
from crossdock.web.door import create
from crossdock.web.serving import Serving

pytestmark = pytest.mark.slow

BASE = "https://hooks.example.com"


@attrs.define
class Project:
    """A project with the connection `shop` to a depot that sends webhooks."""

    home: object
    site: object
    depot: Depot
    url: str

    def run(self, *words, code=0):
        """What a command says; its exit code has to be `code`."""
        result = CliRunner().invoke(main, list(words), prog_name="crossdock")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{words}: exit {result.exit_code}\n{result.output}"
        return result.output

    def json(self, *words, code=0):
        """What a command answers for machines."""
        return json.loads(self.run(*words, "--json", code=code))

    @contextlib.contextmanager
    def app(self):
        """The project, opened."""
        with App(self.home) as app:
            yield app

    @contextlib.contextmanager
    def door(self):
        """The door being served from this process, and who knows the shop's address."""
        with self.app() as app:
            served = Serving(create(app), "127.0.0.1", 0)
            served.start()
            try:
                yield Vendor(served.url, path_of(app))
            finally:
                served.stop()

    def start(self, *words):
        """The door in a process of its own, and who knows the shop's address."""
        environment = {**os.environ, "PYTHONPATH": str(self.site)}
        process = subprocess.Popen(
            [sys.executable, "-m", "crossdock", "webhook", "serve", *words, "--json"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        said = ""
        while not said.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "It ended before it served."
            said += line
        with self.app() as app:
            return process, Vendor(json.loads(said)["url"], path_of(app))


@pytest.fixture
def project(tmp_path, monkeypatch, migrated):
    """A project that is commanded."""
    site = install_hooked(tmp_path / "site")
    home = tmp_path / "project"
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "depot")
    monkeypatch.setenv("CROSSDOCK_HOME", str(home))
    for name in ("CROSSDOCK_DATABASE_URL", "CROSSDOCK_SECRET_KEY", "CROSSDOCK_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "hooked_depot_plugin", raising=False)
    depot = Depot()
    with serve(depot) as serving:
        made = Project(home, site, depot, serving.url)
        made.run("init", str(home))
        shutil.copy(migrated, home)
        made.run("connection", "add", "shop", "-c", "depot", "--set", f"url={serving.url}", "--set", f"token={TOKEN}",
                 "--set", f"webhook_secret={SECRET}")  # fmt: skip
        made.run("stream", "on", "shop", "orders")
        yield made
    sys.modules.pop("hooked_depot_plugin", None)


# -- addresses ---------------------------------------------------------------------------------------


def test_the_address_is_long_random_and_stays_the_same(project):
    first, second = (project.run("webhook", "url", "shop", "--base", BASE).splitlines()[0] for _ in range(2))

    assert first == second
    assert first.startswith(f"{BASE}/hooks/shop/")
    assert len(first.rpartition("/")[2]) >= 43


def test_the_token_is_in_no_file_of_the_project(project):
    token = project.run("webhook", "url", "shop", "--base", BASE).splitlines()[0].rpartition("/")[2]

    assert not [path for path in project.home.iterdir() if path.is_file() and token.encode() in path.read_bytes()]


@pytest.mark.parametrize("place", ["environment", "project"])
def test_the_public_address_may_be_set_once(project, monkeypatch, place):
    if place == "environment":
        monkeypatch.setenv("CROSSDOCK_PUBLIC_URL", BASE + "/")
    else:
        (project.home / "crossdock.toml").write_text(f'public_url = "{BASE}"\n')

    assert project.json("webhook", "url", "shop")["url"].startswith(f"{BASE}/hooks/shop/")


def test_a_project_file_with_a_public_address_can_be_applied(project):
    (project.home / "crossdock.toml").write_text(f'public_url = "{BASE}"\n')

    assert project.run("apply", str(project.home / "crossdock.toml"))


def test_without_a_public_address_it_is_said_where_to_put_it(project):
    assert "CROSSDOCK_PUBLIC_URL" in project.run("webhook", "url", "shop", code=2)


@pytest.mark.parametrize("base", ["hooks.example.com", "ftp://x", "https://", "https://x/?a=1", "https://a:b@x"])
def test_what_is_no_address_is_refused(project, base):
    assert "is no address" in project.run("webhook", "url", "shop", "--base", base, code=2)


def test_a_rotation_makes_a_new_address_and_says_how_long_the_old_one_is_good(project):
    before = project.json("webhook", "url", "shop", "--base", BASE)
    after = project.json("webhook", "url", "shop", "--base", BASE, "--rotate", "--grace", "2d")

    assert before["url"] != after["url"]
    assert before["old_url_good_until"] is None
    assert after["old_url_good_until"]


def test_without_a_terminal_nothing_is_copied_and_that_is_said(project):
    assert "not copied: no terminal" in project.run("webhook", "url", "shop", "--base", BASE, "--copy")


def test_a_terminal_gets_the_address_into_its_clipboard(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    assert commands._copy("https://x")
    assert capsys.readouterr().out == f"\x1b]52;c;{base64.b64encode(b'https://x').decode()}\x07"


def test_a_connector_without_webhooks_says_so(project, monkeypatch):
    with project.app() as app:
        app.store.database.run("UPDATE connection SET connector = 'acme' WHERE name = 'shop'")

    assert "There is no connector 'acme'" in project.run("webhook", "url", "shop", "--base", BASE, code=2)


# -- sent, confirmed, registered ---------------------------------------------------------------------


def test_sent_and_confirmed_are_ticked_and_undone(project):
    project.run("webhook", "url", "shop", "--base", BASE)

    assert project.json("webhook", "sent", "shop")["sent_at"]
    assert project.json("webhook", "confirmed", "shop")["confirmed_at"]
    assert project.json("webhook", "sent", "shop", "--no")["sent_at"] is None
    assert project.json("webhook", "confirmed", "shop", "--no")["confirmed_at"] is None


def test_an_address_that_does_not_exist_cannot_have_been_sent(project):
    assert "crossdock webhook url shop" in project.run("webhook", "sent", "shop", code=2)


def test_registering_is_told_and_kept(project):
    answer = project.json("webhook", "register", "shop", "--base", BASE)
    (row,) = project.json("webhook", "list")

    assert (answer["external_id"], answer["active"], answer["note"]) == ("hook-1", True, "as asked")
    assert (row["base"], row["external_id"], row["kind"]) == (BASE, "hook-1", "registers")
    assert row["confirmed_at"]


def test_a_registration_that_is_not_active_needs_attention(project):
    project.run("webhook", "register", "shop", "--base", f"{BASE}/inactive", code=1)

    assert project.json("webhook", "list")[0]["confirmed_at"] is None


def test_registering_makes_a_secret_when_there_is_none(project):
    project.run("connection", "edit", "shop", "--unset", "webhook_secret")

    project.run("webhook", "register", "shop", "--base", BASE)

    with project.app() as app:
        assert len(app.reveal(app.row("shop"))["webhook_secret"]) >= 43
        assert app.row("shop").state == "active"


# -- trying ------------------------------------------------------------------------------------------


def test_a_door_that_asks_for_a_signature_passes_the_test(project):
    with project.door() as vendor:
        assert "401: the door is there" in project.run("webhook", "test", "shop", "--base", vendor.url)

    assert project.json("webhook", "list", "--each") == []


def test_a_wrong_path_before_the_door_is_found(project):
    with project.door() as vendor:
        said = project.run("webhook", "test", "shop", "--base", f"{vendor.url}/elsewhere", code=1)

    assert "404: there is no door" in said


def test_somebody_else_at_the_address_is_found(project):
    project.depot.fault("status", path="/hooks/", method="POST", status=401)

    assert "somebody else answers" in project.run("webhook", "test", "shop", "--base", project.url, code=1)


def test_nobody_at_the_address_is_found(project):
    said = project.run("webhook", "test", "shop", "--base", "http://127.0.0.1:9", code=1)

    assert "Nothing answers" in said
    assert "crossdock webhook serve" in said


# -- what came in ------------------------------------------------------------------------------------


def test_what_came_in_is_listed_shown_and_worked(project):
    project.depot.order("1")
    with project.door() as vendor:
        vendor.changed("a", orders=["1"])

    (listed,) = project.json("webhook", "list", "--each")
    shown = project.json("webhook", "show", str(listed["id"]))
    worked = project.json("webhook", "work")

    assert listed["state"] == "new"
    assert json.loads(shown["body"]) == {"id": "a", "peer": False, "changed": {"orders": ["1"]}}
    assert shown["headers"]["x-depot-signature"] == "***"
    assert (worked["done"], worked["fetches"][0]["stream"]) == (1, "orders")
    assert "orders: done in run" in project.run("webhook", "show", str(listed["id"]))
    assert "No webhook waits." in project.run("webhook", "work")


def test_work_that_has_to_wait_needs_attention(project):
    project.depot.fault("status", path="/orders", status=503, times=100, headers={"retry-after": "600"})
    with project.door() as vendor:
        vendor.changed("a", orders=["1"])

    assert "orders: again at" in project.run("webhook", "work", "shop", code=1)

    project.depot.faults.clear()

    project.run("webhook", "work", code=1)
    project.run("webhook", "work", "--now")


def test_what_failed_is_said_everywhere_and_replayed(project):
    project.run("connection", "edit", "shop", "--set", "broken=fetch_orders")
    project.depot.order("1")
    with project.door() as vendor:
        vendor.changed("a", orders=["1"])
    project.run("webhook", "work", code=1)

    assert "1 webhook of shop failed" in project.run("status", code=1)
    assert "1 failed" in project.run("doctor", code=1)
    assert "1 webhook failed" in project.run("webhook", "list", code=1)
    told = project.run("webhook", "list", "--state", "failed", code=1)
    assert "KeyError: 'quantity'" in " ".join(told.split())
    project.run("webhook", "replay", "--failed", code=1)

    project.run("connection", "edit", "shop", "--unset", "broken")

    (again,) = project.json("webhook", "replay", "--failed", "--connection", "shop")
    assert again["state"] == "done"
    assert project.json("webhook", "replay", str(again["id"]))[0]["state"] == "done"


def test_refused_and_unconfirmed_addresses_are_in_the_doctors_list(project):
    with project.door() as vendor:
        vendor.post(body_of("a"), signed(body_of("a"), "wrong"))

    said = project.run("doctor", code=1)

    assert "1 had a wrong signature; the vendor never used the address" in said


@pytest.mark.parametrize(("words", "why"), [
    (("show", "17"), "No webhook 17"),
    (("replay",), "Which ones?"),
    (("replay", "1", "--failed"), "Which ones?"),
    (("list", "--state", "odd"), "no state 'odd'"),
    (("list", "--connection", "nobody"), "no connection 'nobody'"),
])  # fmt: skip
def test_mistakes_are_told_in_sentences(project, words, why):
    assert why in project.run("webhook", *words, code=2)


# -- the door in a process of its own ----------------------------------------------------------------


def test_a_port_that_is_taken_is_a_sentence(project):
    port = project.url.rpartition(":")[2]

    assert f"port {port} cannot be used" in project.run("webhook", "serve", "--port", port, code=2)


@pytest.mark.slow
def test_the_door_works_what_comes_and_stops_cleanly(project):
    project.depot.order("1")
    process, vendor = project.start()
    asked = threading.Event()
    with process:
        assert vendor.changed("a", orders=["1"]) == 200
        with project.app() as app:
            while app.store.inbox.rows()[0].state == "new" and process.poll() is None:
                asked.wait(0.02)
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=10) == 0
    assert project.json("webhook", "list", "--each")[0]["state"] == "done"


@pytest.mark.slow
def test_killed_under_load_the_door_loses_nothing_that_it_answered(project):
    answered: set[str] = set()
    for turn in range(4):
        process, vendor = project.start("--no-work")
        enough = threading.Event()

        def send(worker, turn=turn, vendor=vendor, enough=enough):
            for number in range(100_000):
                name = f"{turn}-{worker}-{number}"
                try:
                    status = vendor.changed(name, orders=[name])
                except OSError:
                    return
                assert status == 200
                answered.add(name)
                if len(answered) >= (turn + 1) * 150:
                    enough.set()

        with process, ThreadPoolExecutor(8) as senders:
            sending = [senders.submit(send, worker) for worker in range(8)]
            assert enough.wait(60)
            process.kill()
            process.wait()
        assert [each.result() for each in sending] == [None] * 8
    with project.app() as app:
        rows = app.store.inbox.rows(limit=1_000_000)

    assert len(answered) >= 600
    assert answered <= {row.dedupe for row in rows}
    assert len(rows) == len({row.dedupe for row in rows})


# -- webhooks that stopped coming --------------------------------------------------------------------


def silence(project):
    """Webhooks of the shop are held to be dead from now on."""
    with project.app() as app:
        known = app.store.announcements.get("shop", "orders")
        app.store.announcements.save(attrs.evolve(known, missed=3, runs=2, dead_at=stamp(app.clock.now())))


def test_webhooks_that_stopped_coming_need_attention_until_they_are_registered_again(project):
    project.run("webhook", "register", "shop", "--base", BASE)
    silence(project)

    assert "orders are found by reading only" in project.run("webhook", "list", code=1)
    assert "Webhooks of shop stopped coming" in project.run("status", code=1)
    assert "stopped coming, and were registered again" in project.run("sync")
    assert "set up again now: the next one proves it" in project.run("webhook", "list")
    (row,) = project.json("webhook", "list")
    assert row["dead_at"]
    assert row["mended_at"]


def test_a_vendor_that_refuses_to_register_again_is_told_of(project):
    project.run("webhook", "register", "shop", "--base", BASE)
    project.run("connection", "edit", "shop", "--set", "broken=register_webhook")
    silence(project)

    assert "could not be registered again: " in project.run("sync")
    assert "could not be registered again: " in project.run("status", code=1)


@pytest.mark.parametrize("command", [("webhook", "serve"), ("run",)], ids=" ".join)
def test_what_stopped_coming_is_registered_again_by_itself(project, command):
    project.run("webhook", "register", "shop", "--base", BASE)
    silence(project)
    process = subprocess.Popen(
        [sys.executable, "-m", "crossdock", *command],
        env={**os.environ, "PYTHONPATH": str(project.site)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 20
        with project.app() as app:
            while not app.store.hooks.get("shop").tries and time.monotonic() < until:
                time.sleep(0.05)
            while app.store.hooks.get("shop").try_note and time.monotonic() < until:
                time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert project.json("webhook", "list")[0]["mended_at"]
