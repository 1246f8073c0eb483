"""The errors of Crossdock, sorted by what has to happen next.

::

    CrossdockError
    ├── SettingsError              a setting cannot work; found before any call
    ├── UsageError                 the person asked for something that does not exist or is not allowed
    │   └── BusyError              another worker is at it right now
    ├── StoreError                 the database is not usable: wrong version, not reachable, lease lost
    ├── PluginError                a plugin failed to load or broke its contract: a bug, not the vendor
    └── ConnectorError             raised by connectors and by the HTTP layer
        ├── TransientError         try again later, after `wait` when the vendor said so
        ├── RecordError            park this one record; `path` names the field, `gap` an unknown code
        ├── AccessError            pause the connection, alert once, reopen by verify
        ├── UnsupportedError       the connector or the system does not offer this
        └── OutcomeUnknownError    the answer was lost: ask `find_order`/`find_shipment` before sending again

Every error has a sentence for a person (`str(error)`) and may have a `hint` saying what to do.
"""

from __future__ import annotations

from datetime import timedelta

import attrs


@attrs.frozen
class Gap:
    """A code of one system that has no counterpart yet: closing the gap re-drives all records that wait on it.

    `kind` is a mapping table's name (``sku``, ``carrier``, ``status``, ``tax``, ``warehouse``, ``country``,
    ``payment``), `value` the unknown code as the source system writes it.
    """

    kind: str  #: the mapping table: `sku`, `carrier`, `status`, `payment`, `shipping`, `tax`, `warehouse`, `country`
    value: str  #: the unknown code, as the source system writes it


class CrossdockError(Exception):
    """Root of all errors; `hint` says in one sentence what a person can do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class SettingsError(CrossdockError):
    """Settings that cannot work; `problems` holds one sentence a field."""

    def __init__(self, message: str, *, problems: dict[str, str] | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems or {}


class UsageError(CrossdockError):
    """The person asked for something that does not exist or is not allowed now."""


class BusyError(UsageError):
    """Somebody else is at this piece of work right now: nothing is wrong, and nothing was done."""


class StoreError(CrossdockError):
    """The database cannot be used as it is."""


class LeaseLostError(StoreError):
    """Another worker took over this piece of work; nothing was written."""


class PluginError(CrossdockError):
    """A plugin could not be loaded or broke its contract."""


class ConnectorError(CrossdockError):
    """An external system or its connector could not do what was asked.

    `status` is the HTTP status if there was one; `vendor_message` the vendor's own words, secrets masked.
    """

    def __init__(self, message: str, *, hint: str = "", status: int | None = None, vendor_message: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.vendor_message = vendor_message


class TransientError(ConnectorError):
    """Passing trouble; `wait` is how long the vendor asked to wait, if it did."""

    def __init__(
        self,
        message: str,
        *,
        wait: timedelta | None = None,
        hint: str = "",
        status: int | None = None,
        vendor_message: str = "",
    ) -> None:
        super().__init__(message, hint=hint, status=status, vendor_message=vendor_message)
        self.wait = wait


class RecordError(ConnectorError):
    """One record cannot be processed: it is parked, all others go on.

    `key` names the record, `path` the bad field (``line_items[2].sku``), `gap` an unknown code if that is the cause.
    `refused` says that the vendor answered with success and refused inside it: nothing was done, so nobody has to ask.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str = "",
        path: str = "",
        gap: Gap | None = None,
        hint: str = "",
        status: int | None = None,
        vendor_message: str = "",
        payload: bytes = b"",
        refused: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, status=status, vendor_message=vendor_message)
        self.key = key
        self.path = path
        self.gap = gap
        self.payload = payload
        self.refused = refused


class AccessError(ConnectorError):
    """Credentials, rights or address are wrong: the connection is paused until verify is green."""


class UnsupportedError(ConnectorError):
    """The system or the connector cannot do this."""


class OutcomeUnknownError(ConnectorError):
    """A write was sent and its answer lost: it may or may not have been done."""


def asked_wait(error: BaseException | None) -> timedelta | None:
    """How long a vendor asked to wait, as its limit does, which is no failure; `None` when it did not say."""
    return error.wait if isinstance(error, TransientError) else None
