"""A connector in an interpreter of its own does what it does inline, and cannot do more harm."""

from __future__ import annotations

import json
import logging
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from isolation_kit import COLOURED, COLOURLIB, PROBE, add_connector, children, environment, eventually, packages
from plugin_kit import ACME, TOKEN

from crossdock.app import App, Verified
from crossdock.engine.pull import pull
from crossdock.engine.push import push
from crossdock.engine.route import route_stored
from crossdock.errors import Gap, OutcomeUnknownError, PluginError, RecordError, TransientError, UsageError
from crossdock.isolation import isolated
from crossdock.records import Order
from crossdock.session import Check, Receipt, Since
from crossdock.store.config import FlowRow

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def probe_env(tmp_path_factory):
    """An environment with the connectors probe and acme, which are installed nowhere else."""
    folder = tmp_path_factory.mktemp("probe-env")
    python = environment(folder)
    add_connector(folder, "probe", PROBE, "3.1")
    add_connector(folder, "acme", ACME, "9.9")
    return str(python)


@pytest.fixture
def app(crossdock):
    """The project."""
    with App(crossdock.home) as made:
        yield made


@pytest.fixture
def connect(app, crossdock, probe_env):
    """Adds connections to the probe's system."""

    def add(name="far", **more):
        # Kept as if it had just been verified: that would start one process more for each test.
        values = {"url": crossdock.urls["shop"], "token": TOKEN, **more}
        verified = Verified((Check(name="Token", state="ok", facts={"warehouses": ["MAIN"]}),))
        app.keep(name, "probe", values, verified, python=probe_env)
        return app.open(name)

    return add


@pytest.fixture
def far(connect):
    """An isolated connection."""
    return connect()


def do(opened, note, **more):
    """Have the probe do something."""
    return opened.connector.push_order(opened.session, Order(key="1", note=note, **more), "shop-1", None)


# -- why there is isolation ----------------------------------------------------------------------------


def test_two_connectors_whose_libraries_contradict_each_other_work_at_the_same_time(app, tmp_path):
    reads = {1: 'colourlib.parse("1,2")', 2: 'colourlib.Colour(text="1,2").parts'}
    for version, name in ((1, "red"), (2, "blue")):
        folder = tmp_path / name
        python = environment(folder)
        (packages(folder) / "colourlib.py").write_text(COLOURLIB[version])
        add_connector(folder, name, COLOURED.replace("NAME", name).replace("READ", reads[version]))
        assert app.save(name, name, {"url": "http://127.0.0.1:9"}, python=str(python)).green

    with ThreadPoolExecutor(2) as pool:
        pulled = list(pool.map(lambda name: pull(app.bench, name, "orders"), ("red", "blue")))

    assert [each.error for each in pulled] == [None, None]
    notes = [app.store.records.get(name, "orders", "1").record.note for name in ("red", "blue")]
    assert notes == ["(1, 2)", "['1', '2']"]


def test_a_connector_behaves_the_same_in_its_own_interpreter(app, crossdock, probe_env):
    crossdock.shop.order("1", note="Zoë 😀")
    crossdock.shop.order("2", "broken")
    values = {"url": crossdock.urls["shop"], "token": TOKEN}
    found = {}
    for name, python in (("near", ""), ("far", probe_env)):
        assert app.save(name, "acme", values, python=python).green
        pulled = pull(app.bench, name, "orders")
        record = app.store.records.get(name, "orders", "1")
        counts = {**pulled.counts.as_dict(), "pages": 1}
        found[name] = (counts, record.document, [row.message for row in app.store.records.parked(name)],
                       app.row(name).facts)  # fmt: skip

    assert found["near"] == found["far"]


# -- what goes over the pipe ---------------------------------------------------------------------------


def test_its_description_and_settings_are_those_of_the_connector_over_there(app, far, probe_env):
    info = app.connector("probe", probe_env).info

    assert (info.title, info.find_after, info.streams["orders"].minimum) == (
        "Probe", timedelta(0), timedelta(minutes=7)
    )  # fmt: skip
    assert (far.session.settings.tags, far.session.settings.least, far.session.settings.size) == (
        ("a", "b"), Decimal("0.10"), 2
    )  # fmt: skip
    assert far.connector.hooks == ("connector_info", "verify", "fetch_orders", "push_order", "find_order")
    assert far.connector.found.version == "3.1"


def test_an_error_keeps_its_class_and_all_that_it_says(far):
    with pytest.raises(RecordError) as raised:
        do(far, "refuse")

    error = raised.value
    assert vars(error) == {
        "message": "Refused.", "hint": "Map it.", "status": 422, "vendor_message": "no such sku", "key": "k",
        "path": "lines[0].sku", "gap": Gap("sku", "A-1"), "payload": b"\xff\x00", "refused": True,
    }  # fmt: skip


def test_a_connectors_own_error_arrives_as_what_it_is_a_kind_of(far):
    with pytest.raises(TransientError) as raised:
        do(far, "own")

    assert raised.value.wait == timedelta(minutes=3)


def test_an_error_of_the_http_session_can_be_caught_over_there(far):
    receipt = do(far, "catch")

    assert receipt.external_id == "404"


def test_a_bug_is_a_fault_of_the_plugin_and_does_not_blurt_out_a_secret(far):
    with pytest.raises(PluginError, match=r"probe 3.1 broke in push_order: KeyError.*probe_plugin.py") as raised:
        do(far, "bug")

    assert TOKEN not in str(raised.value)


def test_what_does_not_travel_is_named(far):
    with pytest.raises(PluginError, match=r"A probe_plugin\.Settings cannot be handed"):
        do(far, "strange")


def test_a_record_that_cannot_be_written_down_is_refused_alone(far, crossdock):
    crossdock.shop.order("1", "7.77")
    crossdock.shop.order("2", "5.00")

    (page,) = far.connector.fetch("orders", far.session, Since())

    assert [each.key for each in page.records] == ["2"]
    assert [(each.key, each.path, each.payload) for each in page.rejects] == [("1", "extras", b"raw")]
    assert page.payloads == (b"raw",)


def test_pages_come_one_by_one_and_ending_early_ends_it_over_there(far, crossdock, app):
    for number in range(6):
        crossdock.shop.order(str(number))
    pages = far.connector.fetch("orders", far.session, Since())

    assert len(next(pages).records) == 2
    assert far.session.memory.items("probe") == {}
    pages.close()

    assert far.session.memory.items("probe") == {"closed": "yes"}


# -- the promises are kept here ------------------------------------------------------------------------


def test_memory_files_facts_and_redaction_are_the_projects(far, app):
    receipt = do(far, "remember")

    assert (receipt.number, receipt.url) == ("far", "{'1': 'shop-1'}")
    assert json.loads(receipt.note) == [True, {"etag": "7"}, None, "a *** here", {"warehouses": ["MAIN"]}]
    assert far.session.memory.items("seen") == {"1": "shop-1"}
    assert far.session.files.get("feed").content == b"\x00\x01" * 1000


def test_a_budget_holds_for_isolated_and_other_processes_alike(far):
    assert do(far, "hurry").external_id == "200"

    with pytest.raises(TransientError, match="limit for 'orders' allows the next call in"):
        do(far, "hurry")


def test_its_requests_are_in_the_log_without_secrets(far, app):
    do(far, "create")
    far.flush()

    (found,) = [each for each in app.store.journal.exchanges("far") if each["method"] == "POST"]
    assert found["status"] == 200
    assert TOKEN not in json.dumps(app.store.journal.exchange(found["id"]), default=str)


def test_what_it_prints_and_logs_is_said_without_secrets_and_disturbs_nothing(far, caplog):
    with caplog.at_level(logging.INFO, logger="crossdock"):
        assert do(far, "speak").external_id == "spoken"
        eventually(lambda: "written to the standard output" in caplog.text)

    assert "probe says: printed ***" in caplog.text
    assert "logged 1 of ***" in caplog.text
    assert TOKEN not in caplog.text


def test_a_secret_is_neither_in_its_arguments_nor_in_its_environment(far, monkeypatch):
    argv, environ = json.loads(do(far, "surroundings").note)
    (words,) = children().values()

    assert TOKEN not in json.dumps([argv, environ, words])
    assert not [name for name in environ if name.startswith(("CROSSDOCK", "PYTHON"))]


def test_threads_of_a_connector_may_use_its_session(far):
    assert do(far, "threads").external_id == "1600"


def test_values_larger_than_the_pipe_go_both_ways(far):
    receipt = do(far, "big", references={"long": "y" * 1_000_000})

    assert (receipt.external_id, len(receipt.note)) == ("True", 1_000_000)


def test_many_threads_may_call_at_once(far):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: do(far, "threads").external_id, range(16)))

    assert set(found) == {"1600"}


def test_wrappers_of_ambient_plugins_run_here(crossdock, probe_env):
    (crossdock.home / "crossdock_local.py").write_text(
        "import os\nfrom crossdock import evolve, hookimpl\n\n"
        "@hookimpl(wrapper=True)\ndef push_order(session, order):\n"
        "    receipt = yield\n    return evolve(receipt, note=str(os.getpid()))\n"
    )
    with App(crossdock.home) as app:
        assert app.save("far", "probe", {"url": crossdock.urls["shop"], "token": TOKEN}, python=probe_env).green

        assert do(app.open("far"), "create").note == str(os.getpid())


def test_hooks_of_third_parties_are_called_here(crossdock, probe_env):
    (crossdock.home / "crossdock_local.py").write_text(
        "from crossdock import hookimpl, hookspec\n\nclass Specs:\n    @hookspec\n"
        "    def zz_print_areas(self, sku, areas):\n        pass\n\n    @hookspec\n    def zz_nobody(self):\n"
        "        pass\n\n@hookimpl\ndef add_hookspecs(manager):\n    manager.add_hookspecs(Specs)\n\n@hookimpl\n"
        "def zz_print_areas(sku, areas):\n    return [sku, *areas]\n"
    )
    with App(crossdock.home) as app:
        assert app.save("far", "probe", {"url": crossdock.urls["shop"], "token": TOKEN}, python=probe_env).green
        receipt = do(app.open("far"), "third_party")

    assert (receipt.external_id, receipt.note) == ("None", "[['A', 'x']]")


# -- when it goes wrong over there ---------------------------------------------------------------------


def test_one_that_dies_is_started_again_and_disturbs_nobody_else(far, connect):
    other = connect("other")

    with pytest.raises(TransientError, match="is gone: it was ended by signal 9"):
        do(far, "die")

    assert do(other, "hurry").external_id == "200"
    assert do(far, "hurry").external_id == "200"


def test_one_that_dies_after_it_began_to_write_leaves_the_outcome_open(far, crossdock):
    with pytest.raises(OutcomeUnknownError, match="is gone"):
        do(far, "create_and_die")

    assert [each.external_id for each in far.connector.find_order(far.session, "shop-1")] == ["1"]


def test_one_that_leaves_somebody_behind_who_holds_the_pipe_is_gone_all_the_same(far):
    with pytest.raises(TransientError, match="it ended with code 5"):
        do(far, "leave_somebody_behind")

    assert do(far, "hurry").external_id == "200"


def test_its_last_words_are_told_without_secrets(far):
    with pytest.raises(TransientError, match=r"it ended with code 3: the token is \*\*\*\.") as raised:
        do(far, "tell_and_exit")

    assert TOKEN not in str(raised.value)


def test_one_that_writes_nonsense_is_a_fault_of_the_plugin(far):
    with pytest.raises(PluginError, match="is gone: what it wrote is no message"):
        do(far, "rubbish")

    assert do(far, "hurry").external_id == "200"


def test_one_that_says_nothing_for_too_long_is_ended(crossdock, probe_env, monkeypatch):
    monkeypatch.setenv(isolated.PATIENCE_VARIABLE, "1.5")
    with App(crossdock.home) as app:
        assert app.save("far", "probe", {"url": crossdock.urls["shop"], "token": TOKEN}, python=probe_env).green

        with pytest.raises(TransientError, match="it did not answer for 2 s"):
            do(app.open("far"), "hang")


def test_the_stop_button_reaches_it(far, app):
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(do, far, "wait_for_stop")
        eventually(lambda: far.session.memory.items("probe"))
        app.clock.stop()

        assert doing.result(timeout=20).external_id == "stopped"


def test_the_stop_button_ends_one_that_does_not_listen(far, app, monkeypatch):
    monkeypatch.setattr("crossdock.isolation.process.STOP_PATIENCE", 0.3)
    threading.Timer(0.2, app.clock.stop).start()

    with pytest.raises(TransientError, match="it did not stop when it was asked to"):
        do(far, "hang")


def test_it_ends_with_the_process_that_started_it(connect, app):
    connect()
    assert children()

    app.close()

    assert not children()


def test_it_ends_when_the_process_that_started_it_is_killed(crossdock, connect, app, tmp_path):
    connect()
    app.close()
    code = (
        "import sys\nfrom crossdock.app import App\napp = App()\n"
        "worker = app.open('far').connector.info.endpoint.__self__\nprint(worker.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:  # fmt: skip
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()

    eventually(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())


@pytest.mark.parametrize("how", ["killed", "answer lost"])
def test_an_order_exists_once_whatever_happens_to_the_process_or_the_answer(app, connect, crossdock, how):
    crossdock.connect("erp")
    far, erp = connect("far"), crossdock.erp
    assert app.save("erp", "acme", {"url": crossdock.urls["erp"], "token": TOKEN}).green
    erp.order("77", "12.00", note="create")
    # From the ERP to the isolated system, which is slow just long enough.
    flow = FlowRow(name="out", stream="orders", source="erp", target="far", mode="live")
    app.store.config.save_flow(flow, app.clock.now())
    pull(app.bench, "erp", "orders")
    route_stored(app.bench, flow)
    if how == "killed":
        slow = crossdock.shop.fault("slow", method="POST", path="/orders", seconds=0.5)
        killer = threading.Thread(target=lambda: (eventually(lambda: slow.times == 0), _kill_children()))
        killer.start()
    else:
        crossdock.shop.fault("cut_after", method="POST", path="/orders")
        killer = None

    first = push(app.bench, flow)
    if killer:
        killer.join()
    second = push(app.bench, flow, patience=timedelta(seconds=5))

    assert [row["reference"] for row in crossdock.shop.orders.values()] == ["erp-77"]
    assert first.counts.in_doubt == 1
    assert first.counts.done + second.counts.done == 1
    assert far.connector.name == "probe"


def _kill_children():
    for pid in children():
        os.kill(pid, signal.SIGKILL)


# -- environments that cannot be used ------------------------------------------------------------------


def refusal(app, python, connector="probe"):
    """Why a connector cannot be used in an interpreter, and what to do."""
    with pytest.raises(UsageError) as raised:
        app.connector(connector, str(python))
    return f"{raised.value} {raised.value.hint}"


def script(path, text):
    """Something that can be run."""
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_an_interpreter_that_is_not_there_is_named(app, tmp_path):
    assert f"{tmp_path / 'none'} is no interpreter that can be run." in refusal(app, tmp_path / "none")


def test_an_environment_without_crossdock_is_named(app, tmp_path):
    python = environment(tmp_path / "bare")
    (packages(tmp_path / "bare") / "tests.pth").unlink()

    said = refusal(app, python)

    assert "No module named 'crossdock'" in said
    assert f"{python} -m pip install crossdock-probe" in said


def test_an_environment_with_another_crossdock_is_refused_with_both_versions(app, tmp_path):
    python = environment(tmp_path / "old")
    (packages(tmp_path / "old") / "zz.pth").write_text("import crossdock; crossdock.__version__ = '0.0.9'\n")

    said = refusal(app, python)

    assert "has Crossdock 0.0.9 with version 1 of the hooks, and here is Crossdock 0.1.0 with version 1" in said
    assert "pip install crossdock==0.1.0" in said


def test_an_environment_without_the_connector_is_named(app, probe_env):
    assert "There is no connector 'gone'; installed are: none." in refusal(app, probe_env, "gone")


def test_a_connector_that_is_broken_over_there_is_named_with_version_and_cause(app, tmp_path):
    python = environment(tmp_path / "broken")
    add_connector(tmp_path / "broken", "probe", "import nothing_of_that_name\n", "4.5")

    assert "probe 4.5: it cannot be imported: ModuleNotFoundError" in refusal(app, python)


def test_what_is_no_python_is_named_with_what_it_said(app, tmp_path):
    python = script(tmp_path / "python", "#!/bin/sh\necho 'I am a teapot' >&2\nexit 3\n")

    assert "it ended with code 3: I am a teapot" in refusal(app, python)


def test_an_environment_that_vanishes_is_passing_trouble(far, monkeypatch):
    with pytest.raises(TransientError):
        do(far, "die")
    worker = far.connector.info.endpoint.__self__
    monkeypatch.setattr(worker, "_python", worker._python.with_name("gone"))

    with pytest.raises(TransientError, match="Nothing was sent"):
        do(far, "hurry")


def test_a_receipt_is_what_the_connector_answered(far):
    assert attrs.asdict(do(far, "create")) == attrs.asdict(Receipt(external_id="1"))


# -- the commands --------------------------------------------------------------------------------------


@pytest.fixture
def added(crossdock, probe_env):
    """The isolated connection ``shop``, by command; ``acme`` is installed here as well."""
    crossdock.run("connection", "add", "shop", "-c", "acme", "--python", probe_env,
                  "--set", f"url={crossdock.urls['shop']}", "--set", f"token={TOKEN}")  # fmt: skip
    return crossdock


def test_commands_tell_where_a_connector_runs_and_in_which_version(added, probe_env):
    assert (
        f"Runs in: a process of its own, acme 9.9 on Python {platform.python_version()}, {probe_env}"
        in added.run("connection", "show", "shop").stdout
    )
    assert f"acme 9.9 (acme) in {probe_env} for shop" in added.run("connectors").stdout
    assert f"isolated in {probe_env} (Python" in added.run("doctor", code=None).stdout
    rows = added.json("connectors")
    assert [(row["version"], row["python"], row["connections"]) for row in rows] == [
        ("1.0", "", []), ("9.9", probe_env, ["shop"]),
    ]  # fmt: skip


def test_a_connection_goes_inline_and_back(added, probe_env):
    added.run("connection", "edit", "shop", "--inline")
    assert "Runs in: this process, acme 1.0" in added.run("connection", "show", "shop").stdout

    added.run("connection", "edit", "shop", "--python", probe_env)
    assert added.json("connection", "list")[0]["python"] == probe_env
    assert added.json("connection", "show", "shop")["settings"]["token"] == "***"


def test_changing_settings_leaves_it_where_it_is(added, probe_env):
    added.run("connection", "edit", "shop", "--set", "warehouse=MAIN")

    assert added.json("connection", "show", "shop")["python"] == probe_env


def test_its_own_check_of_a_setting_is_asked(crossdock, probe_env):
    said = crossdock.run("connection", "add", "far", "-c", "probe", "--python", probe_env, "--set", "url=http://x",
                         "--set", "token=other", code=2).output  # fmt: skip

    assert "It begins with acme-." in said


def test_what_is_exported_is_what_is_in_force(added, probe_env, tmp_path):
    text = added.run("export").stdout
    file = added.home / "crossdock.toml"
    file.write_text(text)

    assert f'python = "{probe_env}"' in text
    assert "Nothing to change" in added.run("apply").stdout
    file.write_text(text.replace(f'python = "{probe_env}"\n', ""))
    changed = added.json("apply", "--yes")["differences"]
    assert [(each["name"], [field["name"] for field in each["fields"]]) for each in changed] == [("shop", ["python"])]
    assert added.json("connection", "show", "shop")["python"] == ""


def test_an_interpreter_in_a_file_is_seen_from_the_projects_folder(added, probe_env):
    (added.home / "env").symlink_to(Path(probe_env).parents[1])
    file = added.home / "crossdock.toml"
    file.write_text(added.run("export").stdout.replace(probe_env, "env/bin/python"))
    added.run("apply", "--yes")

    assert "acme 9.9 on Python" in added.run("connection", "show", "shop").stdout


def test_an_environment_that_is_gone_is_told_and_mended_by_editing(added, probe_env, tmp_path):
    with App(added.home) as app:
        row = app.row("shop")
        app.store.config.save_connection(attrs.evolve(row, python=str(tmp_path / "gone")), app.clock.now())

    shown = added.json("connection", "show", "shop")
    assert "is no interpreter that can be run" in shown["runs_in"]
    assert set(shown["settings"].values()) == {"***"}
    assert "is no interpreter that can be run" in added.run("connectors", code=1).stdout
    assert "Connection shop" in added.run("doctor", code=1).stdout
    assert "is no interpreter that can be run" in added.run("sync", "shop", "orders", code=None).output

    added.run("connection", "edit", "shop", "--python", probe_env)
    assert "acme 9.9 on Python" in added.json("connection", "show", "shop")["runs_in"]


def test_inline_and_an_interpreter_are_not_both_taken(added, probe_env):
    said = added.run("connection", "edit", "shop", "--inline", "--python", probe_env, code=2).output

    assert "not both" in said
