"""What goes over the pipe between Crossdock and an isolated connector: frames of msgpack, values with their types.

A frame is four bytes of length and a msgpack array. Values arrive as what they were: records, pages, errors with
all their fields. Only Crossdock's own types and plain values travel; nothing is ever executed by reading it.
"""

from __future__ import annotations

import builtins
import os
import select
import threading
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

import attrs
import msgspec

from crossdock import connection, errors, records, session
from crossdock.errors import CrossdockError, PluginError, RecordError
from crossdock.settings import Secret

PROTOCOL = 1
LARGEST = 1 << 30
"""No frame is longer: more than that is no message but rubbish."""
_TAG = "$"
_WHOLE = range(-(2**63), 2**64)

_CLASSES: dict[str, type[Any]] = {
    each.__name__: each
    for each in (
        session.Page, session.Since, session.ByKeys, session.Receipt, session.Outcome, session.StillRunning,
        session.StatusUpdate, session.Check, session.Preview, session.Decision, session.WebhookRequest, session.Changed,
        session.WebhookReply, session.WebhookState, session.StoredFile, errors.Gap, connection.StreamInfo,
        connection.Budget, connection.Outgoing, connection.ClientCredentials, connection.Upload, connection.Rule,
    )
}  # fmt: skip
_STRUCTS: dict[str, type[Any]] = {
    name: each for name, each in vars(records).items()
    if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == records.__name__
}  # fmt: skip
_ERRORS: dict[str, type[CrossdockError]] = {
    name: each for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, CrossdockError)
}  # fmt: skip
_document = msgspec.json.Encoder(decimal_format="string").encode
_CANNOT_BE_KEPT = (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError)


class PipeError(Exception):
    """The other side is gone, or what it says makes no sense."""


class Pipe:
    """Frames over two file descriptors. One thread reads; any thread may write.

    With `patience`, a writer gives up when the other side takes nothing for so many seconds.
    """

    def __init__(self, source: BinaryIO, sink: int, patience: float | None = None) -> None:
        self._source = source
        self._sink = sink
        self._patience = patience
        self._lock = threading.Lock()
        self._closed = False
        if patience is not None:
            os.set_blocking(sink, False)

    def close(self) -> None:
        """Let the other side see the end; who writes later is refused."""
        with self._lock:
            # Inside the lock, and once: the number of a closed descriptor may soon be that of somebody's file.
            if not self._closed:
                self._closed = True
                os.close(self._sink)

    def read(self) -> list[Any] | None:
        """The next frame; `None` when the other side has ended. Raises `PipeError` for what is no frame."""
        head = self._source.read(4)
        if not head:
            return None
        size = int.from_bytes(head, "big")
        if len(head) < 4 or size > LARGEST:
            raise PipeError("what it wrote is no message")
        body = self._source.read(size)
        if len(body) < size:
            return None
        try:
            frame = msgspec.msgpack.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise PipeError("what it wrote is no message") from error
        if not isinstance(frame, list) or not frame or not isinstance(frame[0], str):
            raise PipeError("what it wrote is no message")
        return frame

    def write(self, *frame: Any) -> None:
        """Send one frame; raises `PipeError` when nobody reads any more."""
        try:
            body = msgspec.msgpack.encode(frame)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PluginError(f"A value cannot be handed to or from an isolated connector: {error}.") from error
        if len(body) > LARGEST:
            raise PluginError(f"An answer of {len(body)} bytes is too long for an isolated connector.")
        left = memoryview(len(body).to_bytes(4, "big") + body)
        with self._lock:
            if self._closed:
                raise PipeError("it was closed")
            try:
                while left:
                    left = left[self._written(left) :]
            except OSError as error:
                raise PipeError(str(error)) from error

    def _written(self, left: memoryview) -> int:
        try:
            return os.write(self._sink, left)
        except BlockingIOError:
            if not select.select([], [self._sink], [], self._patience)[1]:
                raise PipeError("it takes nothing any more") from None
            return 0


# -- values ----------------------------------------------------------------------------------------


def pack(value: Any) -> Any:
    """A value as msgpack can say it; raises `PluginError` for a type that does not travel."""
    if value is None or isinstance(value, bool | float):
        return value
    exact = _PACKED.get(type(value))
    if exact is not None:
        return exact(value)
    for kind, packed in _PACKED.items():
        if isinstance(value, kind):
            return packed(value)
    for each in type(value).__mro__:
        if _CLASSES.get(each.__name__) is each:
            fields = [getattr(value, field.name) for field in attrs.fields(each)]
            return {_TAG: each.__name__, "v": [pack(field) for field in fields]}
    raise PluginError(
        f"A {type(value).__module__}.{type(value).__name__} cannot be handed to or from an isolated connector.",
        hint="Between processes go records, plain values, and the types that crossdock exports.",
    )


def _pack_struct(value: msgspec.Struct) -> Any:
    name = type(value).__name__
    if _STRUCTS.get(name) is not type(value):
        return pack(msgspec.to_builtins(value, builtin_types=(Decimal, datetime, date, time, bytes, timedelta)))
    return {_TAG: "struct", "v": [name, _document(value)]}


def _pack_int(value: int) -> Any:
    return int(value) if value in _WHOLE else {_TAG: "int", "v": str(value)}


def pack_error(error: BaseException) -> Any:
    """An error with its class and all its fields; a class that the core does not have travels as its nearest base."""
    name = next((each.__name__ for each in type(error).__mro__ if _ERRORS.get(each.__name__) is each), "")
    if not name:
        return {_TAG: "fault", "v": [type(error).__name__, str(error)]}
    known = vars(_ERRORS[name](""))
    fields = {field: pack(value) for field, value in vars(error).items() if field in known}
    return {_TAG: "error", "v": [name, fields]}


def _pack_page(page: session.Page[Any]) -> Any:
    """A page; a record that cannot be written down is refused alone, as it would be when it is stored."""
    made, payloads, rejects = [], [], list(page.rejects)
    given = page.payloads or (b"",) * len(page.records)
    if len(given) != len(page.records):
        made, payloads = [pack(each) for each in page.records], list(given)  # the engine says what is wrong with it
    else:
        for record, payload in zip(page.records, given, strict=True):
            try:
                made.append(pack(record))
                payloads.append(payload)
            except _CANNOT_BE_KEPT as error:
                key = getattr(record, "key", "")
                text = f"It cannot be kept: {error}."
                rejects.append(RecordError(text, key=key, path="extras", payload=payload))
    parts = (page.cursor, tuple(rejects), tuple(payloads) if page.payloads else (), dict(page.skipped), page.seen)
    return {_TAG: "page", "v": [made, *(pack(each) for each in parts), pack(page.read_at)]}


_PACKED: dict[type[Any], Callable[[Any], Any]] = {
    str: str.__str__,
    bytes: bytes,
    int: _pack_int,
    session.Page: _pack_page,
    msgspec.Struct: _pack_struct,
    list: lambda value: [pack(each) for each in value],
    tuple: lambda value: {_TAG: "tuple", "v": [pack(each) for each in value]},
    Mapping: lambda value: {_TAG: "dict", "v": [[pack(key), pack(each)] for key, each in value.items()]},
    frozenset: lambda value: {_TAG: "frozenset", "v": [pack(each) for each in value]},
    set: lambda value: {_TAG: "set", "v": [pack(each) for each in value]},
    Decimal: lambda value: {_TAG: "decimal", "v": str(value)},
    datetime: lambda value: {_TAG: "datetime", "v": value.isoformat()},
    date: lambda value: {_TAG: "date", "v": value.isoformat()},
    time: lambda value: {_TAG: "time", "v": value.isoformat()},
    timedelta: lambda value: {_TAG: "timedelta", "v": [value.days, value.seconds, value.microseconds]},
    Secret: lambda value: {_TAG: "secret", "v": value.reveal()},
    bytearray: bytes,
    memoryview: bytes,
    msgspec.Raw: bytes,
    BaseException: pack_error,
}
"""Looked at in this order: a `datetime` is a `date`, too."""


def unpack(value: Any) -> Any:
    """The value that `pack` was given; raises `PipeError` for what it never writes."""
    if isinstance(value, list):
        return [unpack(each) for each in value]
    if not isinstance(value, dict):
        return value
    try:
        kind, inside = value[_TAG], value["v"]
        if kind in _UNPACKED:
            return _UNPACKED[kind](inside)
        cls = _CLASSES[kind]
        fields = {
            field.alias or field.name: unpack(each)
            for field, each in zip(attrs.fields(cls), inside, strict=True)
        }  # fmt: skip
        return cls(**fields)
    except PipeError:
        raise
    except Exception as error:
        raise PipeError(f"what it wrote makes no sense: {error}") from error


def _unpack_page(parts: list[Any]) -> session.Page[Any]:
    made, cursor, rejects, payloads, skipped, seen, read_at = (unpack(each) for each in parts)
    return session.Page(tuple(made), cursor, rejects, payloads, skipped, seen, read_at)


def _unpack_error(parts: list[Any]) -> BaseException:
    name, fields = parts
    error = _ERRORS[name](unpack(fields["message"]))
    for field, value in fields.items():
        setattr(error, field, unpack(value))
    return error


def _unpack_fault(parts: list[Any]) -> BaseException:
    name, text = parts
    kind = getattr(builtins, str(name), None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            return kind(text)
        except TypeError:
            pass
    return RuntimeError(f"{name}: {text}")


_UNPACKED: dict[str, Callable[[Any], Any]] = {
    "struct": lambda parts: msgspec.json.decode(parts[1], type=_STRUCTS[parts[0]]),
    "page": _unpack_page,
    "tuple": lambda value: tuple(unpack(each) for each in value),
    "dict": lambda value: {unpack(key): unpack(each) for key, each in value},
    "frozenset": lambda value: frozenset(unpack(each) for each in value),
    "set": lambda value: {unpack(each) for each in value},
    "int": int,
    "decimal": Decimal,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda value: timedelta(*value),
    "secret": Secret,
    "error": _unpack_error,
    "fault": _unpack_fault,
}
