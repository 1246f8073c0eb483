"""Exports: OR13 to OR15 for orders, OF52 to OF54 for offers: asked for, polled, then fetched in pieces."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import attrs

from crossdock_mirakl.sandbox.clock import Clock, exact_date
from crossdock_mirakl.sandbox.refusal import Refusal, not_found
from crossdock_mirakl.sandbox.wire import JsonObject, whole

ITEMS_PER_FILE = 10_000


@attrs.define
class Export:
    """One export; its content is that of the moment at which it is completed."""

    tracking_id: str
    operation: str
    request: JsonObject
    made: Callable[[], Sequence[Any]]
    changed: datetime
    status: str = "PENDING"
    fate: str = "COMPLETED"
    asked: bool = False
    files: list[list[Any]] = attrs.field(factory=list)


class Exports:
    """The exports of one shop."""

    def __init__(self, clock: Clock, *, seed: int) -> None:
        self.known: dict[str, Export] = {}
        self.fates: list[str] = []
        self._clock = clock
        self._random = random.Random(seed + 1)

    def start(
        self, operation: str, request: JsonObject, made: Callable[[], Sequence[Any]], *, one_at_a_time: bool
    ) -> Export:
        """A new export, or the one under way of the same request.

        Raises `Refusal` when another one runs and only one may (vendor page section 3, OR13).
        """
        _items_per_file(request)
        for each in self.known.values():
            if each.operation == operation and each.status == "PENDING":
                if each.request == request:
                    return each
                if one_at_a_time:
                    raise Refusal("An export is already in progress for this shop")
        key = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        fate = self.fates.pop(0) if self.fates else "COMPLETED"
        self.known[key] = Export(key, operation, request, made, self._clock.now(), fate=fate)
        return self.known[key]

    def status(self, operation: str, tracking_id: str, files_url: str) -> JsonObject:
        """The status: pending when asked for the first time, ended from the second on. Raises `Refusal` 404."""
        export = self.known.get(tracking_id)
        if export is None or export.operation != operation:
            raise not_found("Export", tracking_id)
        if not export.asked:
            export.asked = True
        elif export.status == "PENDING":
            self._finish(export)
        answer: JsonObject = {"status": export.status, "last_updated": exact_date(export.changed)}
        if export.status == "FAILED":
            answer["error"] = {"code": "EXPORT_FAILED", "detail": "An unexpected error has occurred"}
        if export.status == "COMPLETED":
            answer["urls"] = [f"{files_url}/{tracking_id}?file={index}" for index in range(len(export.files))]
        return answer

    def file(self, tracking_id: str, index: int) -> tuple[Export, list[Any]]:
        """One file of an export. Raises `Refusal` 404."""
        export = self.known.get(tracking_id)
        if export is None or index >= len(export.files):
            raise not_found("File", f"{tracking_id}/{index}")
        return export, export.files[index]

    def _finish(self, export: Export) -> None:
        export.status, export.changed = export.fate, self._clock.now()
        if export.fate == "COMPLETED":
            rows, size = list(export.made()), _items_per_file(export.request)
            export.files = [rows[start : start + size] for start in range(0, max(1, len(rows)), size)]


def _items_per_file(request: JsonObject) -> int:
    if request.get("items_per_chunk") is None:
        return ITEMS_PER_FILE
    return whole(request["items_per_chunk"], "items_per_chunk", least=1)
