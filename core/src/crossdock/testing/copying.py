"""Copies of a sandbox as it is now, to begin at the same point as often as wanted."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import pickle
import threading
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any

from crossdock.sandbox import NotRehearsed, Rehearsal, Sandbox

_LOCKS = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
_SHARED = (type, BuiltinFunctionType, CodeType, FunctionType, ModuleType)


class _Original:
    """A function whose copy has other values around it."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function


class _Writer(pickle.Pickler):
    """Copies what a sandbox holds; code is shared, a lock becomes a free one, a lambda keeps to its own sandbox."""

    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._shared = shared

    def persistent_id(self, value: Any) -> int | None:
        """Where a thing that all copies share is found."""
        closed = type(value) is FunctionType and value.__closure__
        if closed or not isinstance(value, (*_SHARED, _Original)):
            return None
        self._shared.append(value)
        return len(self._shared) - 1

    def reducer_override(self, value: Any) -> Any:
        """How locks, counters and functions with values around them are made again."""
        if type(value) in _LOCKS:
            return _LOCKS[type(value)], ()
        if type(value) is itertools.count:
            # Python says where it stands, but copies it no longer (3.14): "count(5)" or "count(5, 2)".
            told = ast.literal_eval(repr(value).removeprefix("count"))
            return itertools.count, told if isinstance(told, tuple) else (told,)
        if type(value) is FunctionType:
            held = [cell.cell_contents for cell in value.__closure__ or ()]
            return _hollow, (_Original(value),), held, None, None, _fill
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, number: Any) -> Any:
        return self._shared[number]


def _hollow(original: _Original) -> FunctionType:
    function = original.function
    cells = tuple(CellType() for _ in function.__closure__ or ())
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _fill(function: FunctionType, values: Sequence[Any]) -> None:
    for cell, value in zip(function.__closure__ or (), values, strict=True):
        cell.cell_contents = value


def copies(sandbox: Sandbox, rehearsal: Rehearsal) -> Callable[[], tuple[Any, Any]]:
    """A function that makes a sandbox and its rehearsal as these two are now, independent of them.

    Raises `NotRehearsed` when the sandbox holds what cannot be copied, such as a thread or an open file.
    """
    shared: list[Any] = []
    file = io.BytesIO()
    held, sandbox.between = sandbox.between, None
    try:
        with sandbox.lock:
            _Writer(file, shared).dump((sandbox, rehearsal))
    except Exception as error:
        raise NotRehearsed(f"The sandbox {sandbox.name} cannot be copied: {error}") from error
    finally:
        sandbox.between = held
    written = file.getvalue()

    def make() -> tuple[Any, Any]:
        with contextlib.closing(io.BytesIO(written)) as opened:
            twin, people = _Reader(opened, shared).load()
        return twin, people

    return make
