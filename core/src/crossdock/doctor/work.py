"""What waits for a person."""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.session import Check
from crossdock.store.store import Store


def checks(store: Store) -> Iterator[Check]:
    """What is parked, in doubt, or waits for an approval."""
    counts: dict[str, int] = {}
    for (_, state), number in store.effects.counts().items():
        counts[state] = counts.get(state, 0) + number
    unread, gaps = len(store.records.parked()), len(store.gaps.list())
    problems = (
        (counts.get("in_doubt", 0), "In doubt", "whose answer was lost",
         "crossdock push asks the targets; then: crossdock effects list --state in_doubt"),
        (counts.get("parked", 0), "Parked effects", "refused", "crossdock parked list"),
        (unread, "Parked payloads", "could not be read", "crossdock parked list"),
        (gaps, "Gaps", "unknown and open", "crossdock gaps list"),
        (counts.get("awaiting", 0), "Approvals", "waiting for a person",
         "crossdock effects list --state awaiting"),
    )  # fmt: skip
    for number, name, what, hint in problems:
        if number:
            yield Check(name=name, state="warn", detail=f"{number:,} {what}", hint=hint)
    if not any(number for number, *_ in problems):
        yield Check(name="Work", state="ok", detail="nothing is parked, in doubt or waiting for a person")
