"""The log: one line for each run, with what was being worked on, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading

import pytest
from cli_kit import process
from depot import TOKEN

from crossdock import logs
from crossdock.errors import UsageError
from crossdock.http.redact import Redactor, mask_known
from crossdock.trace import about, carried, know, work

PUSH_HOOK = """
from crossdock import hookimpl
import logging


@hookimpl
def transform_record(flow, record):
    logging.getLogger("crossdock").warning("business rule at %s", record.key)
    return record
"""


@pytest.fixture
def server(sqlite_files):
    """Nothing here depends on the kind of database."""
    return sqlite_files


@pytest.fixture
def log(monkeypatch):
    """What a service writes, as a list of lines to be read."""
    stream = io.StringIO()
    monkeypatch.setenv("CROSSDOCK_LOG", "json")
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    logs.configure(service=True, stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_each_run_ends_in_one_line_with_its_counts(world, log):
    world.shop.order("1")
    pulled = world.pull()

    (line,) = log()

    assert (line["event"], line["level"], line["run"]) == ("pull done", "info", pulled.run)
    assert (line["connection"], line["stream"], line["new"]) == ("shop", "orders", 1)


def test_a_push_says_its_flow_also_from_its_threads(world, log):
    flow = world.flow("orders")
    world.local(PUSH_HOOK)
    world.shop.order("1")
    world.pull()
    pushed = world.push(flow)

    rule, end = log()[-2:]

    assert (rule["event"], rule["flow"], rule["run"]) == ("business rule at 1", "orders", pushed.run)
    assert (end["event"], end["flow"], end["done"]) == ("push done", "orders", 1)


def test_what_was_parked_is_a_warning_and_a_paused_connection_an_error(world, log):
    world.shop.order("1", "broken")
    world.pull()
    world.shop.token = "changed"
    with pytest.raises(Exception, match="401"):
        world.pull()

    assert [(line["level"], line["event"].split(":")[0]) for line in log()] == [
        ("warning", "pull done"), ("error", "connection shop paused"), ("error", "pull failed"),
    ]  # fmt: skip


def test_a_connector_logs_with_its_connection(world, log):
    world.bench.open("shop").session.log.warning("half of it")

    assert [(line["event"], line["connection"]) for line in log()] == [("half of it", "shop")]


def test_secrets_are_masked_in_messages_arguments_and_tracebacks(world, log):
    session = world.bench.open("shop").session
    try:
        raise ValueError(f"refused {TOKEN}")
    except ValueError:
        session.log.exception("with %s", TOKEN)
    logging.getLogger("some.library").error("GET /?key=%s", TOKEN)

    text = json.dumps(log())

    assert TOKEN not in text
    assert "ValueError: refused ***" in text


def test_a_plugins_warning_in_a_single_command_is_masked_as_well(world, log, monkeypatch):
    monkeypatch.delenv("CROSSDOCK_LOG")
    stream = io.StringIO()
    logs.configure(service=False, stream=stream)

    world.bench.open("shop").session.log.warning("refused %s", TOKEN)

    assert stream.getvalue() == "refused ***\n"


def test_a_closed_connections_secrets_are_no_longer_looked_for():
    redactor = Redactor(["a-secret-of-mine"])
    assert mask_known("a-secret-of-mine") == "***"

    del redactor

    assert mask_known("a-secret-of-mine") == "a-secret-of-mine"


def test_what_a_thread_is_given_it_knows_and_keeps_to_itself():
    seen = []

    def other():
        know(run=2)
        seen.append(dict(work()))

    with about(flow="to-erp", run=1):
        thread = threading.Thread(target=carried(other))
        thread.start()
        thread.join()
        seen.append(dict(work()))

    assert seen == [{"flow": "to-erp", "run": 2}, {"flow": "to-erp", "run": 1}]
    assert work() == {}


def test_for_people_lines_are_text(monkeypatch, log):
    stream = io.StringIO()
    monkeypatch.setenv("CROSSDOCK_LOG", "console")
    logs.configure(service=True, stream=stream)

    with about(connection="shop"):
        logging.getLogger("crossdock.runs").warning("pull failed")

    assert "pull failed" in stream.getvalue()
    assert "connection=shop" in stream.getvalue()


def test_a_level_that_there_is_not_is_wrong_usage(monkeypatch):
    monkeypatch.setenv("CROSSDOCK_LOG_LEVEL", "loud")

    with pytest.raises(UsageError, match="loud"):
        logs.configure(service=False)


def test_a_command_prints_its_results_and_no_log_unless_asked(crossdock, monkeypatch):
    crossdock.connect("shop")
    crossdock.shop.order("1", "broken")
    assert crossdock.run("sync", "shop", "orders", code=1).stderr == ""

    monkeypatch.setenv("CROSSDOCK_LOG", "json")

    (line,) = crossdock.run("sync", "shop", "orders", code=0).stderr.splitlines()
    assert json.loads(line)["event"] == "pull done"


@pytest.mark.slow
def test_a_command_without_a_log_loads_none_of_it():
    code = (
        "import sys, crossdock.cli; crossdock.cli.main(['--version'], standalone_mode=False);"
        "print([each for each in ('structlog', 'prometheus_client', 'opentelemetry', 'httpx') if each in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
    assert process("--version").stdout.startswith("crossdock")
