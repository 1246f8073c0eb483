"""What Extend Commerce sent broken is parked in a project, and gone once it was read again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from crossdock.cli import main
from crossdock.testing import Stage, Subject, open_stage
from crossdock.testing.project import Project, open_project

STREAMS = ("orders", "shipments", "products", "prices", "balance", "customers")


@pytest.fixture
def project() -> Iterator[Project]:
    """A project with the sandbox, in which one row of each stream is broken and was read."""
    with (
        open_stage(Subject.installed("extendcommerce"), options={"generous": True}) as stage,
        open_project(stage) as made,
    ):
        for stream in STREAMS:
            spoil(stage, stream)
            made.pull(stream)
        yield made


def spoil(stage: Stage, stream: str) -> None:
    stage.stream = stream
    key = stage.add(1)[0]
    if stream == "orders":
        stage.rehearsal.finish(key)  # so that the order cannot be read for its shipment either
    stage.rehearsal.spoil(stream, key)


def mend(project: Project) -> None:
    twin = project.stage.sandbox
    twin.bent.clear()
    for order in twin.book.orders.values():
        order.rows[0]["salesData"]["vatPercent"] = 25.0
        for shipment in order.shipments:
            shipment["pickDate"] = shipment["createDate"]
    for product in twin.catalogue.products.values():
        product.weight = 0.5
    for customer in twin.customers.known.values():
        customer.model["vatNumber"] = None


def parked(project: Project) -> list[str]:
    return sorted(row.stream for row in project.app.store.records.parked())


def test_what_is_replayed_is_read_by_key_and_no_longer_parked(project: Project) -> None:
    assert parked(project) == ["balance", "customers", "orders", "prices", "products", "shipments", "shipments"]
    mend(project)

    result = CliRunner().invoke(main, ["--project", str(project.app.home), "parked", "replay", "--all"])

    assert (result.exit_code, parked(project)) == (0, []), result.output
