"""What is being worked on right now: for every line of the log, and for spans where somebody collects them."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
SPANS_VARIABLE = "CROSSDOCK_OTEL"

_work: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("work", default={})  # noqa: B039  never changed


def work() -> Mapping[str, Any]:
    """What is known of the present work: ``run``, ``connection``, ``stream``, ``flow``, as far as there is one."""
    return _work.get()


@contextlib.contextmanager
def about(**known: Any) -> Iterator[None]:
    """Inside, this is known of the present work as well; empty values add nothing."""
    token = _work.set({**_work.get(), **{name: value for name, value in known.items() if value}})
    try:
        yield
    finally:
        _work.reset(token)


def know(**known: Any) -> None:
    """Inside the present `about`, this is known from now on as well."""
    _work.set({**_work.get(), **{name: value for name, value in known.items() if value}})


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """`function` for another thread, where it goes on with what is known here."""
    return functools.partial(contextvars.copy_context().run, function)


class Span:
    """A piece of work that is measured; without anybody who collects spans it does nothing."""

    __slots__ = ("_span",)

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def note(self, **facts: Any) -> None:
        """Add what became known; never secrets."""
        if self._span is not None:
            self._span.set_attributes(_attributes(facts))

    def fail(self, kind: str) -> None:
        """It did not succeed; `kind` names the error, whose text may hold what does not belong here."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR, kind)


_NO_SPAN = Span()


@contextlib.contextmanager
def span(name: str, **facts: Any) -> Iterator[Span]:
    """A span around a piece of work, inside the one that is open; an exception that leaves it marks it as failed."""
    tracer = _tracer()
    if tracer is None:
        yield _NO_SPAN
        return
    known = {f"crossdock.{key}": value for key, value in work().items()}
    attributes = _attributes({**known, **facts})
    # Exceptions are not recorded by OpenTelemetry itself: it would keep their texts unmasked.
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as opened:
        made = Span(opened)
        try:
            yield made
        except BaseException as error:
            made.fail(type(error).__name__)
            raise


@functools.cache
def _tracer() -> Any:
    """OpenTelemetry's tracer when it is switched on and installed; asked once."""
    if os.environ.get(SPANS_VARIABLE, "") not in ("1", "true", "yes"):
        return None
    try:
        from opentelemetry import trace
    except ImportError:
        import warnings

        warnings.warn(
            f"{SPANS_VARIABLE} is set, but OpenTelemetry is not installed: pip install 'crossdock[otel]'",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
        return None
    return trace.get_tracer("crossdock")


def _attributes(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("__", "."): value for name, value in facts.items() if value not in (None, "")}
