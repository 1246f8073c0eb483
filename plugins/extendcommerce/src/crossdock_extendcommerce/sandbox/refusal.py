"""How the vendor says no: an HTTP status and ``{"Message": text}``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

DEADLOCK = (
    "Transaction (Process ID 101) was deadlocked on lock resources with another process and has been chosen "
    "as the deadlock victim. Rerun the transaction."
)
SQL_TIMEOUT = (
    "Timeout expired. The timeout period elapsed prior to completion of the operation or the server is not responding."
)
NO_ROW = "There is no row at position 0."


class Refusal(Exception):
    """A request the vendor refuses with `status` and `message`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def not_found() -> Refusal:
    """The answer to an id that is not there."""
    return Refusal("Not found", 404)


@contextmanager
def during(task: str) -> Iterator[None]:
    """Put `task` before the message of any 400 inside: ``Error creating order: Product X does not exist.``"""
    try:
        yield
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        raise Refusal(f"{task}: {refusal.message}") from refusal
