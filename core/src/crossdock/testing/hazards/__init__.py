"""The hazards that every connector is played against, in the order of their importance; see docs/hazards.md."""

from __future__ import annotations

from crossdock.testing.hazards import (
    batches,
    connecting,
    crashing,
    errors,
    fulfilment,
    moving,
    orders,
    rows,
    secrecy,
    shape,
    webhooks,
)
from crossdock.testing.hazards.hazard import LEVELS, Hazard

READING: tuple[Hazard, ...] = (*moving.HAZARDS, *rows.HAZARDS, *errors.HAZARDS)
"""Hazards of what is read."""
WRITING: tuple[Hazard, ...] = (*orders.HAZARDS, *fulfilment.HAZARDS, *batches.HAZARDS)
"""Hazards of what is written."""
AROUND: tuple[Hazard, ...] = (*connecting.HAZARDS, *webhooks.HAZARDS, *secrecy.HAZARDS, *shape.HAZARDS)
"""Hazards of settings, webhooks, secrets, and of the plugin itself."""
CRASHING: tuple[Hazard, ...] = crashing.HAZARDS
"""Hazards of a process that dies."""

HAZARDS: tuple[Hazard, ...] = tuple(
    sorted((*READING, *WRITING, *AROUND, *CRASHING), key=lambda hazard: LEVELS.index(hazard.level))
)
"""All of them, bronze first."""
