"""``crossdock metrics``: figures for Prometheus, for collectors that read a file or run a command."""

from __future__ import annotations

from typing import Any

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option


@click.command(epilog=examples("crossdock metrics", "crossdock metrics > crossdock.prom"))
@json_option
def metrics(as_json: bool) -> None:
    """Print all figures of the project in Prometheus' text format, as /metrics answers them."""
    from crossdock.metrics import Metrics, samples

    app = app_from_context()
    text = Metrics(app.store, app.clock).text().decode()
    data: list[dict[str, Any]] = samples(text) if as_json else []
    emit(data, as_json, lambda: text.rstrip("\n"))
