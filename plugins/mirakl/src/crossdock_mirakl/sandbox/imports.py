"""Imports: files and lists that are taken in first and worked on later (vendor page section 8)."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import Clock, seconds_date
from crossdock_mirakl.sandbox.offers import LineResult
from crossdock_mirakl.sandbox.refusal import not_found
from crossdock_mirakl.sandbox.wire import JsonObject, csv_rows, csv_text

FATES = ("COMPLETE", "FAILED", "STUCK")
ORDERS = ("sorted", "shuffled")


@attrs.define
class Job:
    """One import; its status moves on each time somebody asks for it."""

    import_id: str
    operation: str
    content: bytes
    created: datetime
    fate: str
    work: Callable[[], Sequence[LineResult]]
    status: str = "WAITING"
    asked: bool = False
    reason: str | None = None
    results: tuple[LineResult, ...] = ()

    @property
    def pending(self) -> bool:
        """Whether it has not come to its end."""
        return self.status in ("WAITING", "RUNNING")

    @property
    def errors(self) -> list[LineResult]:
        """The lines that were not taken."""
        return [each for each in self.results if each.error]

    def skus(self, *, bad: bool) -> set[str]:
        """The SKUs with a line in error, or those without."""
        wrong = {each.sku for each in self.errors}
        return wrong if bad else {each.sku for each in self.results} - wrong


class Imports:
    """The imports of one shop."""

    def __init__(self, clock: Clock, delimiter: str, *, shop_id: int, seed: int) -> None:
        self.jobs: dict[str, Job] = {}
        self.report_order = "sorted"
        self.delimiter = delimiter
        self.fates: list[str] = []
        self._clock = clock
        self._shop_id = shop_id
        self._random = random.Random(seed)
        self._next_number = 60_311

    def start(self, operation: str, content: bytes, work: Callable[[], Sequence[LineResult]]) -> Job:
        """A new import, or the one under way that was given the same content: a duplicate request changes nothing."""
        for job in self.jobs.values():
            if job.pending and job.operation == operation and job.content == content:
                return job
        if operation == "OF24":
            key, self._next_number = str(self._next_number), self._next_number + 1
        else:
            key = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        fate = self.fates.pop(0) if self.fates else "COMPLETE"
        self.jobs[key] = Job(key, operation, content, self._clock.now(), fate, work)
        return self.jobs[key]

    def start_file(
        self, operation: str, content: bytes, work: Callable[[Sequence[Mapping[str, str]]], Sequence[LineResult]]
    ) -> Job:
        """An import of a CSV file; a file that cannot be read is taken in, and fails later."""
        return self.start(operation, content, lambda: work(csv_rows(content, self.delimiter)))

    def get(self, operation: str, import_id: str) -> Job:
        """Raises `Refusal` 404 for an id that is not of this operation."""
        job = self.jobs.get(import_id)
        if job is None or job.operation != operation:
            raise not_found("Import", import_id)
        return job

    def ask(self, job: Job) -> Job:
        """Somebody asks for the status: the first time it still waits, then it runs, then it has ended."""
        if not job.asked:
            job.asked = True
        elif job.status == "WAITING":
            job.status = "RUNNING"
        elif job.status == "RUNNING" and job.fate != "STUCK":
            self.finish(job)
        return job

    def finish(self, job: Job) -> None:
        """Do the work of an import and end it."""
        job.asked = True
        try:
            if job.fate == "FAILED":
                raise ValueError("An unexpected error has occurred")
            job.results = tuple(job.work())
            job.status = "COMPLETE"
        except ValueError as problem:
            job.status, job.reason = "FAILED", str(problem)

    def report(self, job: Job) -> str:
        """The error report: line number and reason. Raises `Refusal` 404 when there is none."""
        return csv_text([(str(each.number), each.error) for each in self.reported(job)], self.delimiter)

    def reported(self, job: Job) -> list[LineResult]:
        """The lines in error, in the order in which the reports list them just now."""
        errors = job.errors
        if not errors:
            raise not_found("Error report of the import", job.import_id)
        if self.report_order == "shuffled":
            # A shuffle of two or three may come out sorted; turned round it never does.
            shuffled = random.Random(len(errors)).sample(errors, len(errors))
            errors = shuffled if shuffled != errors else errors[::-1]
        return errors

    def stock_status(self, job: Job) -> JsonObject:
        """STO02's answer."""
        return {
            "date_created": seconds_date(job.created),
            "has_error_report": bool(job.errors),
            "import_id": job.import_id,
            "lines_in_error": len(job.errors),
            "lines_in_success": len(job.results) - len(job.errors),
            "shop_id": self._shop_id,
            "status": job.status,
        }

    def price_status(self, job: Job) -> JsonObject:
        """One entry of PRI02's list."""
        return self.stock_status(job) | {
            "offers_in_error": len(job.skus(bad=True)),
            "offers_updated": len(job.skus(bad=False)),
            "origin": "API",
            "reason_status": job.reason,
        }

    def offer_status(self, job: Job, lines: int) -> JsonObject:
        """OF02's answer."""
        bad = len(job.errors)
        return {
            "date_created": seconds_date(job.created),
            "has_error_report": bool(bad),
            "import_id": int(job.import_id),
            "lines_in_error": bad,
            "lines_in_pending": lines if job.pending else 0,
            "lines_in_success": len(job.results) - bad,
            "lines_read": lines,
            "mode": "NORMAL",
            "offer_deleted": 0,
            "offer_inserted": 0,
            "offer_updated": len(job.results) - bad,
            "reason_status": job.reason,
            "status": job.status,
        }

    def told(self) -> list[dict[str, Any]]:
        """Every import with what became of its lines, for `state`."""
        return [
            {
                "import_id": each.import_id,
                "operation": each.operation,
                "status": each.status,
                "reason": each.reason,
                "lines": [{"line": line.number, "sku": line.sku, "error": line.error or None} for line in each.results],
            }
            for each in self.jobs.values()
        ]
