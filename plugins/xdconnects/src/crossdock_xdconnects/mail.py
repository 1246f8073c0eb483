"""What has to be written to XD's back office: after sending, nothing can be changed by the API (section 1)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from crossdock import RecordError
from crossdock_xdconnects.ledger import Sent
from crossdock_xdconnects.settings import Settings, mailbox

_MOST = 12
_ALL = "the back office of your region (cee@, benelux@, deutschland@, france@, spain@, italy@, sales-uk@ or "\
       "scandinavia@xdconnects.com; set the region in the connection)"  # fmt: skip


def request(settings: Settings, order: Sent | None, number: str, reference: str, wish: list[str]) -> RecordError:
    """The error that holds a mail ready to be sent at once: to whom, subject, and the wanted change."""
    country = order.ship_to.country if order and order.ship_to else ""
    to = mailbox(settings, country) or _ALL
    account = f"{settings.company_name} ({settings.customer_account_number})".replace(" ()", "").strip()
    wanted = "\n".join(f"- {each}" for each in wish)
    return RecordError(
        "XD orders take effect at once and cannot be changed or cancelled by the API. Write to the back office NOW "
        f"(and call):\nTo: {to}\nSubject: URGENT: change of order {number or 'without a number'} ({reference})\n\n"
        f"Dear XD Connects,\n\nplease change our order {number} with our reference {reference}"
        f"{' of ' + account if account else ''}:\n{wanted}\n\nPlease confirm by return. Kind regards",
        hint="When XD has confirmed, discard this effect: crossdock effects discard NUMBER",
    )


def differences(before: str, after: str) -> list[str]:
    """What differs between two bodies, one sentence for each value, in the order of the newer one."""
    try:
        old, new = (dict(_flat(msgspec.json.decode(each or "{}"), "")) for each in (before, after))
    except msgspec.DecodeError:
        return ["see the order"]
    found = []
    for path in dict.fromkeys((*new, *old)):
        if old.get(path) == new.get(path):
            continue
        if path not in old:
            found.append(f"{path}: {new[path]} (was not there)")
        elif path not in new:
            found.append(f"{path}: nothing (was {old[path]})")
        else:
            found.append(f"{path}: {new[path]} (was {old[path]})")
    return found[:_MOST] + ([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _flat(each, f"{path}[{number}]")
    else:
        yield path, str(value)
