"""The contract kit: proof that a connector is right, for authors who never met us.

    from crossdock.testing import ConnectorContract

    class TestContract(ConnectorContract):
        connector = "acme"

That is a whole test file. It plays every *hazard* (docs/hazards.md) against the connector and its sandbox, one test
each; ``pytest --crossdock-report`` also writes ``contract.json`` with the level beside the plugin, which
``crossdock connectors`` shows. Needs pytest: ``pip install crossdock[test]``.

How the kit makes things happen in a sandbox that it does not know is told by the sandbox: see
`crossdock.sandbox.Rehearsal`.

* `ConnectorContract`: the test class. `connector` names the installed connector; `exempt` maps a hazard's name to a
  reason that users can read.
* `ConnectorFixtures`: the fixtures alone, for an author's own test classes: `stage`, `sandbox`, `session`, `clock`,
  `golden`. `Golden` is what the last of them is.
* `Stage`: a served sandbox and sessions to it; `open_stage` makes one outside of the fixtures.
* `HAZARDS`, `Hazard`, `Result`, `play`: the list, and how to play one of them without pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossdock.testing.contract import ConnectorContract as ConnectorContract
    from crossdock.testing.contract import ConnectorFixtures as ConnectorFixtures
    from crossdock.testing.golden import Golden as Golden
    from crossdock.testing.hazards import HAZARDS as HAZARDS
    from crossdock.testing.hazards.hazard import Hazard as Hazard
    from crossdock.testing.playing import Result as Result
    from crossdock.testing.playing import play as play
    from crossdock.testing.stage import Stage as Stage
    from crossdock.testing.stage import Subject as Subject
    from crossdock.testing.stage import open_stage as open_stage

# Loaded when first used: this package is imported into every pytest of whoever has Crossdock installed.
_HOME = {
    "ConnectorContract": "contract",
    "ConnectorFixtures": "contract",
    "Golden": "golden",
    "HAZARDS": "hazards",
    "Hazard": "hazards.hazard",
    "Result": "playing",
    "Stage": "stage",
    "Subject": "stage",
    "open_stage": "stage",
    "play": "playing",
}

__all__ = [*_HOME]  # noqa: PLE0604  names resolved by __getattr__


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crossdock.testing' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"crossdock.testing.{_HOME[name]}"), name)
    globals()[name] = value
    return value
