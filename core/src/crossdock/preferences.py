"""What a configuration file decides for the whole project, beside connections, streams, flows and mappings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock import retention
from crossdock.alerts import settings as alerts
from crossdock.errors import SettingsError

_PARSERS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    retention.NAME: retention.Retention.parse,
    alerts.NAME: alerts.AlertSettings.parse,
}
PREFERENCES: tuple[str, ...] = tuple(_PARSERS)
"""Names of the tables."""


def problems(name: str, table: Any) -> dict[str, str]:
    """What is wrong with a table, by key (empty for the table itself); nothing when it can be used."""
    if not isinstance(table, Mapping):
        return {"": "it must be a table"}
    try:
        _PARSERS[name](table)
    except SettingsError as error:
        return error.problems or {"": str(error)}
    return {}


def flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values by dotted key, in the order of the keys."""
    found: dict[str, Any] = {}
    for key, value in sorted(table.items()):
        found.update(flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value})
    return found
