"""``crossdock erase``: one person's data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import click

from crossdock.cli.context import app_from_context, confirm
from crossdock.cli.output import emit, examples, json_option, mark, needs_attention, plural
from crossdock.engine.erase import Found, Swept, erase_person, find_person
from crossdock.errors import CrossdockError
from crossdock.housekeeping import compact

_SHOWN = 10


@click.command(
    epilog=examples(
        "crossdock erase --email ann@example.com --dry-run", "crossdock erase --email ann@example.com --yes",
        "crossdock erase --customer 4711 --connection shop",
    )
)  # fmt: skip
@click.option("--email", default="", metavar="ADDRESS", help="The person with this e-mail address.")
@click.option("--customer", default="", metavar="KEY", help="The customer with this key.")
@click.option("--connection", default="", help="With --customer: at this connection.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(email: str, customer: str, connection: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Erase what is stored about one person: show what was found, ask, erase, and write the database anew.

    Names, addresses and contacts in orders, customers and shipments are replaced by a mark; payloads go; requests,
    webhooks, events and messages that name the person lose that. Keys, goods, money and what was delivered stay, so
    that comparing and accounting go on. Nothing is sent because of it. The vendors' own data and backups are not
    touched: when a vendor shows an erased order again, it is kept without the person; a new order is a new one.

    Exit code 1 when nothing was found, or some of it waits to be delivered.
    """
    app = app_from_context()
    if bool(email) == bool(customer) or (connection and not customer):
        raise click.UsageError("Who? Give --email, or --customer, perhaps with --connection.")
    if connection:
        app.row(connection)
    found = find_person(app.bench, email=email, customer=customer, connection=connection)
    swept = erase_person(app.bench, found, dry_run=True)
    nothing = not found.records and not swept.texts
    data: dict[str, Any] = {
        **attrs.asdict(swept), "open_effects": [each.id for each in found.open], "erased": False, "compacted": False,
    }  # fmt: skip
    if not as_json:
        for line in _found(found, swept, nothing):
            click.echo(line)
    if dry_run or nothing or found.open:
        emit(data, as_json, lambda: ())
        if nothing or found.open:
            needs_attention()
        return
    confirm(yes, as_json, "Erase all of this?")
    done = erase_person(app.bench, found)
    trouble = ""
    try:
        compact(app)
    except CrossdockError as error:
        trouble = f"{error} {error.hint}"
    data.update(attrs.asdict(done), erased=True, compacted=not trouble)
    emit(data, as_json, lambda: _told(trouble))
    if trouble:
        needs_attention()


def _found(found: Found, swept: Swept, nothing: bool) -> Iterator[str]:
    if nothing:
        yield "Nothing of this person is stored."
        return
    for stream, number in swept.records.items():
        refs = [f"{each.connection} {each.ref}" for each in found.records if each.stream == stream]
        more = f" and {len(refs) - _SHOWN} more" if len(refs) > _SHOWN else ""
        yield f"{number:>7,} {stream}: {', '.join(refs[:_SHOWN])}{more}"
    if swept.payloads:
        yield f"{swept.payloads:>7,} payloads of these"
    for title, number in swept.texts.items():
        yield f"{number:>7,} {title}"
    if found.open:
        yield f"{mark('fail')} {plural(len(found.open), 'effect')} not delivered yet; deliver or discard first:"
        for each in found.open[:_SHOWN]:
            yield f"    {each.id}: {each.flow} {each.ref}, {each.state}"


def _told(trouble: str) -> Iterator[str]:
    yield f"{mark('ok')} Erased. Still to do elsewhere: the vendors' own systems, backups, mail, and logs outside."
    if trouble:
        yield f"{mark('warn')} Traces are left in free space until this works: crossdock db prune --compact"
        yield f"    {trouble}"
