"""Hazards of what is written many at a time: products, prices, stock, import jobs; and of customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossdock.engine.bench import describe
from crossdock.errors import ConnectorError, RecordError
from crossdock.session import Outcome, StillRunning
from crossdock.testing.hazards.hazard import Finding, NotApplicable, hazard, needs, several, writes_batches
from crossdock.testing.hazards.orders import demand_written, key_of
from crossdock.testing.stage import Stage

_STATES = ("done", "rejected", "submitted")


def _send(stage: Stage, records: Sequence[Any]) -> list[Outcome]:
    """Hand records to the connector, as the engine does."""
    session, connector = stage.session, stage.connector
    if stage.stream == "balance":
        return connector.push_balance(session, records)
    if stage.stream == "prices":
        return connector.push_prices(session, records)
    return connector.push_products(session, records)


def _taken_apart(stage: Stage, records: Sequence[Any]) -> list[Outcome]:
    """A batch that is refused as a whole is sent one by one, as the engine does."""
    try:
        return _send(stage, records)
    except RecordError as error:
        if len(records) == 1:
            return [Outcome(key=records[0].key, state="rejected", message=describe(error), gap=error.gap)]
        return [outcome for record in records for outcome in _taken_apart(stage, [record])]


def _sent(stage: Stage, records: Sequence[Any]) -> list[Outcome]:
    """What is handed in and what became of it, import jobs included."""
    try:
        outcomes = _taken_apart(stage, records)
    except ConnectorError as error:
        raise Finding(f"The batch as a whole became {type(error).__name__}: {describe(error)}") from error
    jobs = dict.fromkeys(each.job for each in outcomes if each.state == "submitted")
    if not jobs:
        return outcomes
    stage.rehearsal.finish_jobs()
    settled = [each for each in outcomes if each.state != "submitted"]
    for job in jobs:
        settled.extend(_reported(stage, job))
    return settled


def _reported(stage: Stage, job: str) -> list[Outcome]:
    answer = stage.connector.check_job(stage.session, job)
    if isinstance(answer, StillRunning):
        raise Finding(f"The job {job} is finished, and check_job says that it still runs.")
    return answer


def _demand_one_each(records: Sequence[Any], outcomes: Sequence[Outcome]) -> dict[str, Outcome]:
    keys = [record.key for record in records]
    said = [outcome.key for outcome in outcomes]
    lacking, invented = set(keys) - set(said), set(said) - set(keys)
    if lacking:
        raise Finding(f"Of {len(keys)} items {len(lacking)} have no outcome: {several(lacking)}.")
    if invented or len(said) != len(set(said)):
        raise Finding(f"There are outcomes of nothing that was handed in, or several of one: {several(said)}.")
    strange = [outcome for outcome in outcomes if outcome.state not in _STATES]
    if strange:
        raise Finding(f"An outcome has the state {strange[0].state!r}, which is none of {', '.join(_STATES)}.")
    return {outcome.key: outcome for outcome in outcomes}


@hazard(
    "one-outcome-for-each-item", "bronze",
    "Of a hundred stock values one is left out of the report, counts as sent, and a sold-out product stays on sale.",
    writes_batches, each_batch=True,
)  # fmt: skip
def one_each(stage: Stage) -> None:
    """Each item of a batch, refused ones too, has one outcome, under its own key."""
    bad, _ = stage.rehearsal.refused(stage.stream)
    records = [*stage.rehearsal.make(stage.stream, 4), bad]
    _demand_one_each(records, _sent(stage, records))


@hazard(
    "done-means-stored", "bronze",
    "The vendor answers 200 and keeps the old stock, and what is sold out is sold on.",
    writes_batches, each_batch=True,
)  # fmt: skip
def done_is_stored(stage: Stage) -> None:
    """What is called done is there as it was asked for; what the system refuses is rejected with its words."""
    bad, words = stage.rehearsal.refused(stage.stream)
    records = stage.rehearsal.make(stage.stream, 4)
    changed = [stage.rehearsal.change(record) for record in records]
    for batch in (records, changed):
        outcomes = {outcome.key: outcome for outcome in _sent(stage, batch)}
        for record in batch:
            outcome = outcomes.get(record.key)
            if outcome is not None and outcome.state != "done":
                raise Finding(f"{record.key} is {outcome.state}, and the system takes it: {outcome.message}")
            demand_written(stage, stage.stream, record.key, record)
    refused = next((each for each in _sent(stage, [bad]) if each.key == bad.key), None)
    if refused is not None and refused.state == "done":
        raise Finding(f"The system refused {bad.key}, and it is called done.")
    if refused is not None and words.casefold() not in refused.message.casefold():
        raise Finding(f"The system said {words!r}, and a person reads: {refused.message!r}")


@hazard(
    "one-bad-item", "silver",
    "One value that the vendor refuses keeps the other ninety-nine from being sent.",
    writes_batches, each_batch=True,
)  # fmt: skip
def one_bad(stage: Stage) -> None:
    """A refused item in the middle stops none of the others."""
    records = list(stage.rehearsal.make(stage.stream, 5))
    bad, _ = stage.rehearsal.refused(stage.stream)
    outcomes = {each.key: each for each in _sent(stage, [*records[:2], bad, *records[2:]])}
    stopped = [record.key for record in records if outcomes.get(record.key, _none()).state != "done"]
    if stopped:
        raise Finding(f"One refused item stopped {len(stopped)} others: {several(stopped)}.")


def _none() -> Outcome:
    return Outcome(key="", state="done")  # a missing outcome is another hazard's business


@hazard(
    "item-of-an-unknown-product", "silver",
    "A price of a product that the shop does not have is an error every night, and nobody sees that a code is missing.",
    writes_batches, each_batch=True,
)  # fmt: skip
def unknown(stage: Stage) -> None:
    """Stock or a price of a SKU that does not exist is rejected, with the SKU as a gap or in words."""
    if stage.stream == "products":
        raise NotApplicable("A product that does not exist there is what is written.")
    records = list(stage.rehearsal.make(stage.stream, 2))
    strange = stage.rehearsal.strange(records[0])
    outcomes = {each.key: each for each in _sent(stage, [strange, records[1]])}
    outcome = outcomes.get(strange.key)
    if outcome is None:
        return  # another hazard's business
    if outcome.state != "rejected":
        raise Finding(f"{strange.key} does not exist there, and is called {outcome.state}.")
    if outcome.gap is None and strange.sku not in outcome.message:
        raise Finding(f"Nobody can see which code is missing: {outcome.message!r}")


def _submitted(stage: Stage) -> tuple[Sequence[Any], list[str]]:
    """A batch that was handed in, and its jobs; raises `NotApplicable` when the system needs none for it."""
    records = stage.rehearsal.make(stage.stream, 3)
    outcomes = _send(stage, records)
    jobs = [each.job for each in outcomes if each.state == "submitted"]
    if not jobs:
        raise NotApplicable("It is stored at once, without an import job.")
    return records, list(dict.fromkeys(jobs))


def _has_jobs(subject: Any) -> str:
    return writes_batches(subject) or needs("check_job")(subject)


@hazard(
    "import-still-running", "silver",
    "An import that is not finished counts as done, and stock is raised that was never shown.",
    _has_jobs, each_batch=True,
)  # fmt: skip
def still_running(stage: Stage) -> None:
    """A job that is not worked off still runs; afterwards it tells of every item, as often as it is asked."""
    records, jobs = _submitted(stage)
    for job in jobs:
        answer = stage.connector.check_job(stage.session, job)
        if not isinstance(answer, StillRunning):
            raise Finding(f"The job {job} was not worked off yet, and check_job answered {answer!r:.200}")
    stage.rehearsal.finish_jobs()
    for _ in range(2):
        told = _demand_one_each(records, [each for job in jobs for each in _reported(stage, job)])
        undone = [key for key, each in told.items() if each.state != "done"]
        if undone:
            raise Finding(f"After the import {several(undone)} are not done: {told[undone[0]].message!r}")


@hazard(
    "import-fails", "silver",
    "A vendor's import dies as a whole, and everything in it counts as delivered.",
    _has_jobs, each_batch=True,
)  # fmt: skip
def job_fails(stage: Stage) -> None:
    """A job that fails as a whole rejects every item, or is a `RecordError`, with the vendor's words."""
    words = stage.rehearsal.fail_job()
    records, jobs = _submitted(stage)
    stage.rehearsal.finish_jobs()
    told: list[Outcome] = []
    for job in jobs:
        try:
            told.extend(_reported(stage, job))
        except RecordError as error:
            said = describe(error)
            told.extend(Outcome(key=record.key, state="rejected", message=said) for record in records)
    for key, outcome in _demand_one_each(records, told).items():
        if outcome.state != "rejected":
            raise Finding(f"The import failed, and {key} is called {outcome.state}.")
        if words.casefold() not in outcome.message.casefold():
            raise Finding(f"The system said {words!r}, and a person reads of {key}: {outcome.message!r}")


@hazard(
    "same-customer-twice", "bronze",
    "A customer is sent again after a lost answer, and the ERP has two accounts for one debt.",
    needs("push_customer"),
)  # fmt: skip
def customer(stage: Stage) -> None:
    """Creating a customer twice under one key makes one, and a known one is changed."""
    made = stage.rehearsal.make("customers", 1)[0]
    for _ in range(2):
        receipt = stage.connector.push_customer(stage.session, made, key_of(made), None)
    ids = list(stage.rehearsal.created("customers", key_of(made)))
    if len(ids) != 1:
        raise Finding(f"Two calls with the key {key_of(made)} made {len(ids)} customers.")
    changed = stage.rehearsal.change(made)
    stage.connector.push_customer(stage.session, changed, key_of(made), receipt)
    demand_written(stage, "customers", receipt.external_id, changed, " after a change")


HAZARDS = (one_each, done_is_stored, one_bad, unknown, still_running, job_fails, customer)
