"""Spans for OpenTelemetry: only when switched on, in a tree, and without what does not belong in them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from depot import TOKEN
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from crossdock import trace


@pytest.fixture
def server(sqlite_files):
    """Nothing here depends on the kind of database."""
    return sqlite_files


@pytest.fixture(scope="module")
def exporter():
    """Where spans go; a provider can be set once in a process."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    otel.set_tracer_provider(provider)
    return memory


@pytest.fixture
def spans(exporter, monkeypatch):
    """The spans that ended so far, while they are switched on."""
    monkeypatch.setenv("CROSSDOCK_OTEL", "1")
    trace._tracer.cache_clear()
    exporter.clear()
    yield exporter.get_finished_spans
    trace._tracer.cache_clear()


def test_a_pull_is_a_tree_of_pages_and_requests(world, spans):
    world.shop.order("1")
    pulled = world.pull()

    found = {span.name: span for span in spans()}

    root = found["pull"]
    assert root.parent is None
    assert {found[name].parent.span_id for name in ("page", "HTTP GET")} == {root.context.span_id}
    assert dict(root.attributes) == {
        "crossdock.connection": "shop", "crossdock.stream": "orders", "crossdock.run": pulled.run,
    }  # fmt: skip
    assert found["page"].attributes["rows"] == 1
    assert found["HTTP GET"].attributes["http.response.status_code"] == 200


def test_a_deliverys_requests_belong_to_it_although_it_is_another_thread(world, spans):
    flow = world.flow("orders")
    world.shop.order("1")
    world.deliver(flow)

    found = {span.name: span for span in spans()}

    assert found["HTTP POST"].parent.span_id == found["deliver"].context.span_id
    assert found["deliver"].parent.span_id == found["push"].context.span_id
    assert found["HTTP POST"].attributes["crossdock.flow"] == "orders"


def test_spans_hold_no_secret_and_no_query(world, spans):
    world.shop.order("1")
    world.pull()
    world.shop.fault("cut_after", path="/orders", method="GET", times=9)
    with pytest.raises(Exception, match="cut"):
        world.pull()

    text = " ".join(span.to_json() for span in spans())

    assert TOKEN not in text
    assert "since=" not in text
    assert '"error.type"' in text


def test_switched_off_there_are_none(world, exporter, monkeypatch):
    monkeypatch.delenv("CROSSDOCK_OTEL", raising=False)
    trace._tracer.cache_clear()
    exporter.clear()
    world.pull()

    assert exporter.get_finished_spans() == ()


@pytest.mark.slow
def test_switched_on_but_not_installed_is_a_warning_and_work_goes_on():
    code = (
        "import sys, warnings; sys.modules['opentelemetry'] = None; warnings.simplefilter('always');"
        "from crossdock.trace import span\n"
        "with span('pull') as it: it.note(rows=1)\n"
        "print('went on')"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"CROSSDOCK_OTEL": "1"}
    )

    assert done.stdout == "went on\n"
    assert "pip install 'crossdock[otel]'" in done.stderr
