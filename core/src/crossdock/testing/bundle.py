"""A bundle: one parked record with everything that is needed to see it fail again elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from crossdock.errors import UsageError
from crossdock.http.recorded import Recorded

FORMAT = 1


class Place(msgspec.Struct, kw_only=True):
    """A connection: settings as text, with canaries in the place of secrets, and what its verify had learnt."""

    name: str
    connector: str
    settings: dict[str, str]
    facts: dict[str, Any] = {}


class Failure(msgspec.Struct, kw_only=True, frozen=True):
    """How a record failed: class of the error, its sentence with the vendor's words, field and unknown code."""

    error: str = ""
    message: str = ""
    path: str = ""
    vendor_message: str = ""
    gap: tuple[str, str] | None = None

    def same(self, other: Failure) -> bool:
        """Whether it is the same failure: sentence, field and code."""
        return (self.message, self.path, self.gap) == (other.message, other.path, other.gap)

    def text(self) -> str:
        """For a person."""
        lines = [f"{self.error}: {self.message}" if self.error else self.message]
        if self.path:
            lines.append(f"Field: {self.path}")
        if self.gap:
            lines.append(f"Unknown {self.gap[0]}: {self.gap[1]}")
        if self.vendor_message and self.vendor_message not in self.message:
            lines.append(f"The vendor says: {self.vendor_message}")
        return "\n".join(lines)


class Known(msgspec.Struct, kw_only=True):
    """A record that the store had: its document is the canonical record."""

    connection: str
    stream: str
    key: str
    document: Any


class Binding(msgspec.Struct, kw_only=True):
    """Where a record exists on another system."""

    source: str
    stream: str
    source_key: str
    connection: str
    external_id: str
    number: str = ""


class Delivery(msgspec.Struct, kw_only=True):
    """The effect that was refused, with its flow."""

    flow: str
    stream: str
    source: str
    target: str
    operation: str
    options: dict[str, Any]


class Bundle(msgspec.Struct, kw_only=True):
    """One parked record.

    `id` is R and a number for a payload, E and a number for an effect. `exchanges` are the requests with the answers
    that a replay gets; `log` is what the exchange log had of it. `redacted` are the kinds of personal data that were
    replaced. `reproduced` says whether the replay failed in the same way where the bundle was written.
    """

    format: int = FORMAT
    id: str
    at: str
    versions: dict[str, str]
    connections: list[Place]
    connection: str
    stream: str
    key: str
    payload: str = ""
    delivery: Delivery | None = None
    records: list[Known] = []
    bindings: list[Binding] = []
    mapping: list[tuple[str, str, str]] = []
    """Rows of the flow's mapping tables: kind, value, target."""
    exchanges: list[Recorded] = []
    log: list[Recorded] = []
    failure: Failure
    redacted: list[str] = []
    reproduced: bool = False

    @property
    def connector(self) -> str:
        """The connector at which it failed."""
        name = self.delivery.target if self.delivery else self.connection
        return next(each.connector for each in self.connections if each.name == name)

    @property
    def title(self) -> str:
        """The record, for a test's name."""
        return f"{self.connector} {self.stream} {self.key} ({self.id})"


def read(path: Path) -> Bundle:
    """The bundle of a file; raises `UsageError` when it is none."""
    try:
        bundle = msgspec.json.decode(path.read_bytes(), type=Bundle)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no bundle: {error}.", hint="Write one with: crossdock parked export ID") from error
    if bundle.format != FORMAT:
        raise UsageError(f"{path} has format {bundle.format}, and this Crossdock reads format {FORMAT}.")
    return bundle


def write(bundle: Bundle, path: Path) -> None:
    """Write a bundle to a file, which only its owner may read."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(bundle), indent=2) + b"\n")
