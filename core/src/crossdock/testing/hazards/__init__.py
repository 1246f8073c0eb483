"""The hazards that every connector is played against, in the order of their importance; see docs/hazards.md."""

from __future__ import annotations

from crossdock.testing.hazards import errors, moving, rows
from crossdock.testing.hazards.hazard import LEVELS, Hazard

_ALL = (*moving.HAZARDS, *rows.HAZARDS, *errors.HAZARDS)

HAZARDS: tuple[Hazard, ...] = tuple(sorted(_ALL, key=lambda hazard: LEVELS.index(hazard.level)))
"""All of them, bronze first."""
