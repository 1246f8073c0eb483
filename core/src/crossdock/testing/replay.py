"""``pytest --crossdock-replay BUNDLE``: a parked record from the field as a test.

The test is red as long as the record fails, with the vendor's words and the field, and green once it can be processed:
because the connector was mended, or because a row was added to ``mapping`` in the bundle. It is worked offline by the
engine itself (see `crossdock.testing.reproduce`); every request that is not recorded is refused.

A refused write is answered by what the vendor said to it. When the connector sends something else by now, nobody knows
what the vendor will say: the test is green then and prints how the request changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # this module is loaded into every pytest of whoever has Crossdock installed
    from crossdock.http.recorded import Recorded
    from crossdock.testing.bundle import Bundle, Failure

OPTION = "--crossdock-replay"
_GOOD = ("read", "skipped", "done", "changed", "submitted")


def add_option(group: Any) -> None:
    """Add the option to a group of options."""
    group.addoption(
        OPTION, action="append", default=[], metavar="BUNDLE", type=Path,
        help="run a parked record that was written by: crossdock parked export",
    )  # fmt: skip


def configure(config: pytest.Config) -> None:
    """Run just the bundles, unless tests were named as well; raises `pytest.UsageError` for a file that is missing."""
    bundles: list[Path] = config.getoption(OPTION)
    if not bundles:
        return
    for path in bundles:
        if not path.is_file():
            raise pytest.UsageError(f"{OPTION}: there is no file {path}.")
    named = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    config.args = [*named, *(str(path) for path in bundles)]


def collect(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The collector of a bundle that was named by the option; `None` for any other file."""
    bundles: list[Path] = parent.config.getoption(OPTION)
    if file_path not in [path.resolve() for path in bundles]:
        return None
    found: pytest.Collector = _File.from_parent(parent, path=file_path)
    return found


class _File(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        """One test."""
        from crossdock.errors import CrossdockError
        from crossdock.testing.bundle import read

        try:
            bundle = read(self.path)
        except CrossdockError as error:
            raise self.CollectError(f"{error} {error.hint}".strip()) from None
        yield Replay.from_parent(self, name=bundle.title, bundle=bundle)


class StillFails(Exception):
    """The record fails."""


class Replay(pytest.Item):
    """A parked record, worked once more."""

    def __init__(self, *, bundle: Bundle, **given: Any) -> None:
        super().__init__(**given)
        self.bundle = bundle

    def runtest(self) -> None:
        """Work the record offline."""
        from crossdock.testing.reproduce import reproduce

        again = reproduce(self.bundle)
        if again.changed:
            for before, now in again.changed:
                self.add_report_section("call", "request", "\n".join(_difference(before, now)))
            return
        if again.failure is not None:
            raise StillFails(_told(self.bundle.failure, again.failure))
        if again.state not in _GOOD:
            asked = "\n".join(f"It asked for what is not recorded: {each.method} {each.url}"
                              for each in again.unanswered)  # fmt: skip
            raise StillFails(f"It cannot be processed: it is {again.state}.\n{asked}".strip())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *args: Any, **more: Any) -> Any:
        """The failure in the vendor's words; anything else as pytest shows it."""
        from crossdock.errors import CrossdockError

        if excinfo.errisinstance(StillFails):
            return str(excinfo.value)
        if excinfo.errisinstance(CrossdockError):
            error = excinfo.value
            return f"{error}\n{getattr(error, 'hint', '')}".strip()
        return super().repr_failure(excinfo, *args, **more)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it is and what it is called."""
        return self.path, None, self.name


def _told(field: Failure, now: Failure) -> str:
    if now.same(field):
        return now.text()
    return f"{now.text()}\n\nIn the field it was another failure:\n{field.text()}"


def _difference(before: Recorded, now: Recorded) -> Iterator[str]:
    import difflib

    yield f"{now.method} {now.url} says something else than the one that was refused."
    yield "What the vendor answers to it only the vendor knows."
    yield from difflib.unified_diff(_lines(before.body), _lines(now.body), "refused", "now", lineterm="")


def _lines(body: str) -> list[str]:
    import msgspec

    try:
        return msgspec.json.format(body, indent=2).splitlines()
    except msgspec.MsgspecError:
        return body.splitlines()
