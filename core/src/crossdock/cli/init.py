"""``crossdock init``: a project folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import click

from crossdock.app import CONFIG_FILE, DATABASE_FILE
from crossdock.cli.output import emit, examples, json_option, mark
from crossdock.registry import LOCAL_PLUGIN
from crossdock.vault import KEY_FILE, KEY_VARIABLE, new_key

CONFIG = """\
# A Crossdock project. Connections, streams and flows live in the database. They can be made by commands
# (crossdock connection add, stream on, flow add), or written down here and put in force with
#
#     crossdock apply crossdock.toml
#
# which is safe to repeat and shows the difference first. `crossdock export` writes what is in force in this form.
# Secrets do not belong here: name the place where they are, as env:VARIABLE or file:PATH.

# Where vendors reach this project with webhooks (crossdock webhook serve, behind a web server with TLS):
# public_url = "https://hooks.example.com"

# How long things are kept, where it is to differ (crossdock db prune); "forever" is possible:
# [retention]
# payloads = "90d"
# personal = "2y"          # then names and addresses leave delivered orders

# Who is told what needs a person (crossdock alerts test tries it):
# [alerts.email]
# to = ["ops@example.com"]
# from = "crossdock@example.com"
# host = "smtp.example.com"
# user = "crossdock"
# password = "env:SMTP_PASSWORD"

# [connections.shop]
# connector = "woocommerce"
# settings.url = "https://shop.example"
# settings.consumer_key = "ck_..."
# settings.consumer_secret = "env:SHOP_CONSUMER_SECRET"
# streams.orders = "1h"
# streams.balance = "15m"

# [flows.orders-to-erp]
# stream = "orders"
# source = "shop"
# target = "erp"
# mode = "plan"            # shows what it would write; "live" delivers
"""

LOCAL = '''\
"""Business rules of this project: an ambient plugin that Crossdock loads because it is in the project folder.

Remove the # of what you need. The names and parameters of the functions are fixed, their bodies are yours.
"""

# from crossdock import evolve
#
# from crossdock import RecordError, hookimpl
#
#
# @hookimpl
# def transform_record(flow, record):
#     """Change a record on its way; answer None to leave it as it is."""
#     if flow == "orders-to-erp" and not record.note:
#         return evolve(record, note="Webshop order")
#     return None
#
#
# @hookimpl
# def route_record(flow, record):
#     """Answer a reason to keep a record out of a flow; None lets it in."""
#     if flow == "orders-to-erp" and record.customer.email.endswith("@test.example"):
#         return "test order"
#     return None
#
#
# @hookimpl
# def connection_paused(connection, error):
#     """Tell somebody that a connection needs a person."""
#     print(f"{connection} is paused: {error}")
'''

IGNORED = (KEY_FILE, DATABASE_FILE, f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm", "__pycache__/")


@attrs.frozen
class Made:
    """A file of the project folder: ``made``, ``kept`` because it was there, or ``completed``."""

    path: Path
    state: str


def make_project(folder: Path) -> Iterator[Made]:
    """Make what is missing in `folder`; nothing that exists is overwritten."""
    folder.mkdir(parents=True, exist_ok=True)
    yield _make(folder / CONFIG_FILE, CONFIG, 0o644)
    yield _make(folder / KEY_FILE, new_key() + "\n", 0o600)
    yield _make(folder / LOCAL_PLUGIN, LOCAL, 0o644)
    yield _ignore(folder / ".gitignore")


def _make(path: Path, text: str, mode: int) -> Made:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return Made(path, "kept")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return Made(path, "made")


def _ignore(path: Path) -> Made:
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    missing = [line for line in IGNORED if line not in before.splitlines()]
    if not missing:
        return Made(path, "kept")
    start = before if not before or before.endswith("\n") else before + "\n"
    path.write_text(start + "\n".join(missing) + "\n", encoding="utf-8")
    return Made(path, "completed" if before else "made")


@click.command(epilog=examples("crossdock init", "crossdock init shop && cd shop"))
@click.argument("directory", default=".", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path))
@json_option
def init(directory: Path, as_json: bool) -> None:
    """Make a project folder in DIR (here, unless named).

    It gets a commented crossdock.toml, the key that secrets are kept with (crossdock.key, readable by you only: back it
    up, and keep it out of version control), a commented plugin for your own rules, and a .gitignore. What exists
    stays as it is.
    """
    made = list(make_project(directory))
    data = {"directory": str(directory.resolve()), "files": {each.path.name: each.state for each in made}}
    emit(data, as_json, lambda: _lines(directory, made))


def _lines(directory: Path, made: list[Made]) -> Iterator[str]:
    for each in made:
        note = "kept as it is" if each.state == "kept" else each.state
        yield f"{mark('skip' if each.state == 'kept' else 'ok')} {each.path}: {note}"
    if os.environ.get(KEY_VARIABLE):
        yield f"{mark('warn')} The key in {KEY_VARIABLE} is used, as long as it is set; the key file is not."
    yield ""
    yield "Next:"
    if directory != Path():
        yield f"  cd {directory}"
    yield "  crossdock connectors"
    yield "  crossdock connection add NAME -c CONNECTOR"
