"""``crossdock parked export``: a parked record as a file that a connector's author can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from crossdock.cli.context import app_from_context
from crossdock.cli.output import emit, examples, json_option, mark
from crossdock.cli.parked import choose
from crossdock.errors import UsageError

_KINDS = ("name", "email", "phone", "street", "identity", "note")


@click.command(
    epilog=examples(
        "crossdock parked export R3", "crossdock parked export E17 -o order-1042.json",
        "crossdock parked export R3 --keep-personal street",
    )
)  # fmt: skip
@click.argument("name", metavar="ID")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where to; crossdock-ID.json in this folder unless given.")  # fmt: skip
@click.option("--keep-personal", "kept", multiple=True, type=click.Choice(_KINDS),
              help="Leave this kind of personal data as it is; may be given several times.")  # fmt: skip
@json_option
def export(name: str, output: Path | None, kept: tuple[str, ...], as_json: bool) -> None:
    """Write a parked record into one file with which its failure can be seen again, offline.

    The file holds the payload or the record that was refused, the requests and answers that belong to it, versions,
    settings, flow and mapping rows. Secrets are replaced by canaries, and names, addresses of mail, phone numbers,
    streets, VAT and bank numbers and notes by fakes of the same shape. Look at it before you give it away.

    Whoever has the connector runs it with: pytest --crossdock-replay FILE
    """
    from crossdock.testing.bundle import write
    from crossdock.testing.export import of_payload, of_refused

    app = app_from_context()
    found = choose(app, [name], connection="", flow="", cause="", keys=(), every=False)
    path = output or Path(f"crossdock-{name.upper()}.json")
    if path.exists():
        raise UsageError(f"{path} exists already.", hint="Name another file with -o, or remove it.")
    bundle = of_payload(app, found.records[0], kept) if found.records else of_refused(app, found.effects[0], kept)
    write(bundle, path)
    data: dict[str, Any] = {
        "file": str(path), "record": bundle.title, "replaced": bundle.redacted, "reproduced": bundle.reproduced,
        "exchanges": len(bundle.exchanges), "message": bundle.failure.message, "path": bundle.failure.path,
    }  # fmt: skip

    def lines() -> Iterator[str]:
        yield f"{mark('ok')} {path}: {bundle.title}"
        yield f"   {bundle.failure.message}"
        yield f"   Replaced: {', '.join(bundle.redacted) or 'nothing personal was found'}"
        if bundle.reproduced:
            yield f"{mark('ok')} It fails in the same way when it is run: pytest --crossdock-replay {path}"
        else:
            yield f"{mark('warn')} It could not be made to fail in the same way here; the file tells what is known."

    emit(data, as_json, lines)
