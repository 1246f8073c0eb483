"""A project that is connected to several systems: set up once, copied for each journey."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
from kit import Nursery, Project, Template, Twin, free_port


@attrs.frozen
class System:
    """How a system of a journey is made, and what its connection is told beside the sandbox's own settings."""

    connector: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    settings: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Trade:
    """A project and its systems by the names of their connections."""

    project: Project
    twins: Mapping[str, Twin]

    def __getattr__(self, name: str) -> Twin:
        """The system of that name."""
        try:
            return self.twins[name]
        except KeyError:
            raise AttributeError(name) from None

    def later(self) -> None:
        """Some minutes pass: vendors' budgets are fresh, what waits is due, and clocks that tell seconds move on."""
        self.project.new_minute()
        self.project.due()
        for twin in self.twins.values():
            if twin.connector in ("cdiscount", "mirakl"):
                twin.do("advance", seconds=2)

    def sync(self, connection: str, stream: str, *, code: int | None = 0) -> dict[str, int]:
        """Some minutes later, read one stream; what was counted."""
        self.later()
        (answer,) = self.project.json("sync", connection, stream, code=code)
        counts: dict[str, int] = answer["counts"]
        return counts

    def push(self, flow: str, *, wait: float = 0, code: int | None = 0) -> dict[str, Any]:
        """Some minutes later, deliver one flow; what became of it."""
        self.later()
        (answer,) = self.project.json("push", flow, "--wait", str(wait), code=code)
        result: dict[str, Any] = answer
        return result


@attrs.frozen
class Stand:
    """A project to be copied, and the ports at which it expects its systems: connecting them is the slow part."""

    folder: Path
    ports: Mapping[str, int]
    systems: Mapping[str, System]

    @classmethod
    def build(
        cls, template: Template, folder: Path, nursery: Nursery, systems: Mapping[str, System], config: str
    ) -> Stand:
        """Connect `systems` and put `config`, a configuration file, in force."""
        project = template.copy(folder)
        with contextlib.ExitStack() as stack:
            twins = {
                name: stack.enter_context(nursery.twin(each.connector, free_port(), **each.options))
                for name, each in systems.items()
            }
            project.connect(**{name: (twins[name], each.settings) for name, each in systems.items()})
            (folder / "journey.toml").write_text(config, encoding="utf-8")
            project.run("apply", "journey.toml", "--yes")
            return cls(folder, {name: urlsplit(twin.url).port or 0 for name, twin in twins.items()}, systems)

    @contextlib.contextmanager
    def trade(self, home: Path, nursery: Nursery, **options: Mapping[str, Any]) -> Iterator[Trade]:
        """A copy with new systems, made with further `options` by name; one at a time."""
        project = Template.copy_of(self.folder, home)
        with contextlib.ExitStack() as stack:
            twins = {
                name: stack.enter_context(
                    nursery.twin(each.connector, self.ports[name], **{**each.options, **options.get(name, {})})
                )
                for name, each in self.systems.items()
            }
            yield Trade(project, twins)


def flow(name: str, stream: str, source: str, target: str, options: str = "") -> str:
    """A live flow, as the configuration file has it; `options` are lines of it."""
    lines = [f"[flows.{name}]", 'mode = "live"', f'stream = "{stream}"', f'source = "{source}"', f'target = "{target}"']
    return "\n".join([*lines, options, ""])
