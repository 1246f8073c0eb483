"""The program of an isolated connector: ``python -m crossdock.isolation.child CONNECTOR``, started by Crossdock.

It takes calls of hooks from its standard input and answers on its standard output, each call in a thread of its own.
What plugins print goes to the standard error. It ends when its input ends, whatever its threads are doing: nobody is
left who would use the result.
"""

from __future__ import annotations

import contextvars
import itertools
import os
import platform
import queue
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs

from crossdock import __version__
from crossdock.connection import SPEC_VERSION, Endpoint
from crossdock.errors import CrossdockError, PluginError
from crossdock.isolation.remote import RemoteClock, RemoteFiles, RemoteHooks, RemoteHttp, RemoteLog, RemoteMemory
from crossdock.isolation.wire import PROTOCOL, Pipe, PipeError, pack, pack_error, unpack
from crossdock.registry import Connector, Registry
from crossdock.session import Session
from crossdock.settings import fields_of

INFO = (
    "name", "title", "spec", "streams", "budgets", "create_is_idempotent", "binding_orders", "webhooks", "find_after",
    "write_batch", "push_concurrency", "docs",
)  # fmt: skip
"""What of a `ConnectorInfo` is plain data. Its sandbox is not offered: it would have to run over there."""
FIELD = ("name", "kind", "required", "label", "help", "where", "choices", "within", "fact")
ENDPOINT = (
    "base_url", "token", "headers", "rules", "connect_timeout", "read_timeout", "max_bytes", "concurrency", "budgets",
    "secret_params",
)  # fmt: skip


class _Over(BaseException):
    """Nobody waits for this call any more. No `Exception`: a plugin that catches everything must end, too."""


class _Conversation:
    """One call under way: what Crossdock says of it comes in here."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.thread = 0
        self.control: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.waiting: dict[int, queue.SimpleQueue[list[Any] | None]] = {}
        self.over = False

    def end(self) -> None:
        """Let go of whatever waits in this call."""
        self.over = True
        self.control.put("cancel")
        for reply in list(self.waiting.values()):
            reply.put(None)


_current: contextvars.ContextVar[_Conversation | None] = contextvars.ContextVar("conversation", default=None)


class Program:
    """Answers calls until its input ends."""

    def __init__(self, pipe: Pipe, name: str) -> None:
        self._pipe = pipe
        self._name = name
        self._numbers = itertools.count(1)
        self._conversations: dict[int, _Conversation] = {}
        self._pool = ThreadPoolExecutor(256, thread_name_prefix="hook")
        self._sessions: dict[bytes, Session[Any]] = {}
        self._connector: Connector | None = None
        self._endpoint: Endpoint | None = None
        self._settings: Any = None

    def run(self) -> None:
        """Say who is here, then work."""
        self._pipe.write("hello", self._hello())
        while (frame := self._pipe.read()) is not None:
            kind, number, *rest = frame
            if kind == "begin":
                conversation = self._conversations[number] = _Conversation(number)
                self._pool.submit(contextvars.copy_context().run, self._answer, conversation, *rest)
                continue
            known = self._conversations.get(number)
            if known is None:
                continue
            if kind == "reply":
                waiting = known.waiting.get(rest[0])
                if waiting is not None:
                    waiting.put(rest[1:])
            elif kind == "cancel":
                known.end()
            else:
                known.control.put(kind)

    def _hello(self) -> dict[str, Any]:
        hello = {
            "protocol": PROTOCOL, "version": __version__, "spec": SPEC_VERSION, "python": platform.python_version(),
            "failure": "",
        }  # fmt: skip
        try:
            registry = Registry(only=self._name)
            for failure in registry.failures:
                text = f"{failure.found.distribution} {failure.found.version}: {failure.cause}"
                return {**hello, "failure": text}
            self._connector = registry.connector(self._name)
            return {**hello, "found": attrs.asdict(self._connector.found), "hooks": list(self._connector.hooks),
                    "info": self._info(self._connector)}  # fmt: skip
        except CrossdockError as error:
            return {**hello, "failure": str(error)}

    @staticmethod
    def _info(connector: Connector) -> Any:
        info = connector.info
        fields = [
            {**{name: getattr(field, name) for name in FIELD}, "default": _default(field.default),
             "checked": field.check is not None}
            for field in fields_of(info.settings)
        ]  # fmt: skip
        return pack({**{name: getattr(info, name) for name in INFO}, "settings": fields})

    # -- calls -------------------------------------------------------------------------------------

    def _answer(self, conversation: _Conversation, what: str, parts: Any) -> None:
        _current.set(conversation)
        conversation.thread = threading.get_ident()
        try:
            answer = getattr(self, f"_do_{what}")(*unpack(parts))
            if isinstance(answer, Iterator):
                self._stream(conversation, answer)
            else:
                self._pipe.write("end", conversation.number, pack(answer))
        except (_Over, PipeError):
            pass
        except BaseException as error:  # noqa: BLE001  whatever it is, somebody waits for the answer
            self._pipe.write("error", conversation.number, pack_error(error))
        finally:
            conversation.over = True
            self._conversations.pop(conversation.number, None)

    def _stream(self, conversation: _Conversation, items: Iterator[Any]) -> None:
        """Hand on one item whenever one is wanted, and close early when no more are."""
        self._pipe.write("stream", conversation.number)
        try:
            while (word := conversation.control.get()) == "more":
                try:
                    item = next(items)
                except StopIteration:
                    break
                self._pipe.write("item", conversation.number, pack(item))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()
        if word != "cancel":
            self._pipe.write("end", conversation.number, None)

    def _do_open(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Take the settings of the connection, and say where its requests go."""
        connector = self._need()
        try:
            self._settings = connector.info.settings(**values)
            self._endpoint = end = connector.info.endpoint(self._settings)
        except CrossdockError:
            raise
        except Exception as error:
            # Not quoted: whatever broke may quote a credential, and nothing is there yet to mask it.
            raise PluginError(
                f"The connector {connector.name} {connector.found.version} broke in endpoint: {type(error).__name__}."
            ) from error
        self._sessions.clear()
        return {**{name: getattr(end, name) for name in ENDPOINT}, "signs": end.auth is not None}

    def _do_check(self, name: str, text: str) -> str | None:
        field = next(each for each in fields_of(self._need().info.settings) if each.name == name)
        return field.check(text) if field.check else None

    def _do_sign(self, request: Any) -> Any:
        auth = self._endpoint.auth if self._endpoint else None
        return auth(request) if auth else request

    def _do_call(self, hook: str, connection: str, facts: Mapping[str, Any], arguments: Mapping[str, Any]) -> Any:
        connector = self._need()
        session = self._session(connection, facts)
        answer = connector.ask(hook, session=session, **arguments)
        return connector.guarded(hook, session, answer) if isinstance(answer, Iterator) else answer

    def _need(self) -> Connector:
        if self._connector is None:
            raise PluginError(f"There is no connector {self._name!r} here.")
        return self._connector

    def _session(self, connection: str, facts: Mapping[str, Any]) -> Session[Any]:
        """The session of a connection: the same one for every call, because plugins keep things beside it."""
        key = repr((connection, sorted(facts.items(), key=repr))).encode()
        session = self._sessions.get(key)
        if session is None:
            assert self._endpoint is not None  # noqa: S101  opened before anything is called
            ask = self.ask
            session = self._sessions[key] = Session(
                connection=connection, settings=self._settings, http=RemoteHttp(ask, self._endpoint),  # type: ignore[arg-type]
                clock=RemoteClock(ask), log=RemoteLog(ask), memory=RemoteMemory(ask), files=RemoteFiles(ask),
                hooks=RemoteHooks(ask), facts=dict(facts),
            )  # fmt: skip
        return session

    # -- asking back -------------------------------------------------------------------------------

    def ask(self, target: str, *values: Any, **named: Any) -> Any:
        """Ask Crossdock, from any thread that works for a call."""
        conversation = _current.get()
        if conversation is None:
            raise PluginError(f"The connector {self._name} used its session outside a hook.")
        if conversation.over:
            raise _Over
        number = next(self._numbers)
        reply: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
        conversation.waiting[number] = reply
        loose = threading.get_ident() != conversation.thread
        packed = {name: pack(value) for name, value in named.items()}
        try:
            self._pipe.write("ask", conversation.number, number, loose, target, [pack(each) for each in values], packed)
            answer = reply.get()
        finally:
            conversation.waiting.pop(number, None)
        if answer is None:
            raise _Over
        good, value = answer[0], unpack(answer[1])
        if not good:
            raise value
        return value


def _default(value: Any) -> Any:
    return value.factory() if isinstance(value, attrs.Factory) else value  # type: ignore[arg-type]


def _threads_inherit() -> None:
    """Threads that a plugin starts in a hook work for the same call."""
    start = threading.Thread.start

    def started(self: threading.Thread) -> None:
        context, run = contextvars.copy_context(), self.run
        self.run = lambda: context.run(run)  # type: ignore[method-assign]
        start(self)

    threading.Thread.start = started  # type: ignore[method-assign]


def _pipe() -> Pipe:
    """The two ends that Crossdock gave; what plugins read is empty, and what they print goes to the standard error."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115  open to the end
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    return Pipe(os.fdopen(source, "rb"), sink)


def main() -> None:
    """Work until the input ends."""
    pipe = _pipe()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program = Program(pipe, sys.argv[1])
    _threads_inherit()
    try:
        program.run()
    except PipeError as error:
        print(error, file=sys.stderr)  # noqa: T201  the way to whoever started this
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
