"""Writes docs/hazards.md from the hazards of the contract kit, which are the only place where hazards are described."""

from __future__ import annotations

from pathlib import Path

from crossdock.testing import HAZARDS, Hazard
from crossdock.testing.hazards.hazard import LEVELS

PAGE = Path(__file__).with_name("hazards.md")

_INTRO = """\
# Hazards

This page is written by `make docs` from `crossdock.testing.HAZARDS`; do not edit it.

A hazard is something that goes wrong in real life. The contract kit plays each of them against a connector and its
sandbox, one test each. The whole test file of a connector is:

```python
from crossdock.testing import ConnectorContract


class TestContract(ConnectorContract):
    connector = "acme"
```

`pip install crossdock[test]` brings what it needs. `pytest --crossdock-report` also writes `contract.json` beside the
plugin: every hazard with what came of it, and the level, which `crossdock connectors` shows. Once it is there, every
run compares with it, so that what ships is never out of date. [Quality](quality.md) shows those of our connectors.

| result | meaning |
|---|---|
| passed | it was played and did no harm |
| failed | it did harm; the test says what was seen |
| not applicable | it cannot meet this connector or this vendor; the reason is given |
| exempt | it does harm, and the class says why: `exempt = {"new-word": "The vendor has no such list."}` |
| not rehearsed | the sandbox does not play it, so nothing is known |

A level is reached when every hazard of it and of the levels below passed, is not applicable or is exempt. An exempt
hazard is played all the same, and an exemption that is no longer needed fails. `"quiet-second-run:balance"` is an
exemption of one stream.

How the kit makes things happen in a sandbox that it does not know is told by the sandbox's `rehearsal()`: see
`crossdock.sandbox.Rehearsal`, whose methods are all optional. What is not written is not rehearsed and holds the level
back; what cannot happen at a vendor raises `Impossible` with the reason. For a connector that only reads, thirty lines
will do: `add`, `edit`, `remove`, `expected`, `spoil`, `new_word`, `added_field` and `set_clock`. What is written needs
`make`, `change`, `refused`, `created` and `written` besides, webhooks `webhook` and `sign`, secrets `set_secret`;
[an example](author/testing.md). Why it is so is told in [ADR 15](adr/0015-hazards-played-on-sandboxes.md).
"""

_MEANINGS = {
    "bronze": "What is lost or done twice without anybody noticing.",
    "silver": "What goes wrong on the vendor's bad days.",
    "gold": "What an operator and a careful author expect besides.",
}


def page() -> str:
    """The whole page."""
    return "\n".join((_INTRO, *(_level(level) for level in LEVELS if _of(level))))


def _of(level: str) -> list[Hazard]:
    return [hazard for hazard in HAZARDS if hazard.level == level]


def _level(level: str) -> str:
    rows = [f"| `{hazard.name}` | {hazard.harm} | {_played(hazard)} |" for hazard in _of(level)]
    head = [
        f"## {level.capitalize()}\n",
        f"{_MEANINGS[level]}\n",
        "| hazard | harm | how it is played |",
        "|---|---|---|",
    ]
    return "\n".join((*head, *rows)) + "\n"


def _played(hazard: Hazard) -> str:
    return " ".join((hazard.check.__doc__ or "").split())


if __name__ == "__main__":
    PAGE.write_text(page())
