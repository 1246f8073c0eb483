"""One run of another interpreter, and the calls that are under way in it.

Each call is a dialogue of its own: the thread that calls waits, and does what the connector asks meanwhile, so that a
request is made in the thread of the delivery that it belongs to. Any number of threads may call at once.
"""

from __future__ import annotations

import collections
import contextlib
import contextvars
import itertools
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, cast

from crossdock.clock import monotonic
from crossdock.errors import ConnectorError, CrossdockError, OutcomeUnknownError, PluginError, TransientError
from crossdock.isolation.serving import serve, writes
from crossdock.isolation.wire import Pipe, PipeError, pack, pack_error, unpack
from crossdock.session import Session

START_PATIENCE = 60.0
STOP_PATIENCE = 5.0
"""How long a call may go on after the stop button; then its process is ended."""
_TICK = 0.25
_PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "LD_LIBRARY_PATH",
)  # fmt: skip
"""The environment of the other interpreter. Nothing else is passed on: secrets may stand in it."""


class Gone(Exception):
    """The process ended before it said anything; the text is why."""


class Conversation:
    """One call under way."""

    def __init__(self, number: int, session: Session[Any] | None, writing: bool) -> None:
        self.number = number
        self.session = session
        self.writing = writing
        self.wrote = False
        self.frames: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
        self.context = contextvars.copy_context()
        self.heard = monotonic()
        self.busy = 0
        self.stopping: float | None = None


class Child:
    """Another interpreter that runs one connector; it ends with `close`, or by itself when Crossdock does."""

    def __init__(self, python: Path, connector: str, *, patience: float, said: Callable[[str], str]) -> None:
        """`said` takes each line that is printed over there, and answers it as it may be shown."""
        self._connector = connector
        self._patience = patience
        self.said = said
        self._numbers = itertools.count(1)
        self._conversations: dict[int, Conversation] = {}
        self._lock = threading.Lock()
        self._reason = ""
        self._rubbish = False
        self._dead = False
        self._hello: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._last: collections.deque[str] = collections.deque(maxlen=3)
        self._loose = ThreadPoolExecutor(32, thread_name_prefix=f"isolated-{connector}")
        try:
            self._process = subprocess.Popen(  # noqa: S603  the interpreter that a person named
                [str(python), "-I", "-m", "crossdock.isolation.child", connector],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            )  # fmt: skip
        except OSError as error:
            self._loose.shutdown()
            raise Gone(f"{error.strerror or error}") from error
        source, sink = self._process.stdout, self._process.stdin
        assert source is not None  # noqa: S101  asked for
        assert sink is not None  # noqa: S101
        self._pipe = Pipe(cast(Any, source), os.dup(sink.fileno()), patience)
        sink.close()
        self._threads = [
            threading.Thread(target=each, name=f"isolated-{connector}", daemon=True)
            for each in (self._overhear, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be called."""
        return not self._dead

    def hello(self) -> dict[str, Any]:
        """What it says of itself at first; raises `Gone`."""
        try:
            hello = self._hello.get(timeout=START_PATIENCE)
        except queue.Empty:
            self.kill(f"it did not start within {START_PATIENCE:.0f} s")
            hello = None
        if hello is None:
            raise Gone(self._why())
        return hello

    def kill(self, reason: str) -> None:
        """End it now; its calls end with `reason`."""
        self._reason = self._reason or reason
        self._end()

    def close(self) -> None:
        """Let it end, and wait until it has."""
        self._reason = self._reason or "it was closed"
        # Its input ends, so it ends whatever it is doing; unless somebody still writes to one that does not read.
        closing = threading.Thread(target=self._pipe.close, daemon=True)
        closing.start()
        deadline = monotonic() + STOP_PATIENCE
        while not self._exited() and monotonic() < deadline:
            time.sleep(0.005)
        self._end()
        self._process.wait()
        closing.join()
        self._loose.shutdown(wait=False)
        for thread, stream in zip(self._threads, (self._process.stderr, self._process.stdout), strict=True):
            thread.join(timeout=STOP_PATIENCE)
            if stream is not None and not thread.is_alive():
                stream.close()

    def _end(self) -> None:
        """Kill it, with whatever it started itself: that may hold the pipe open."""
        if self._process.returncode is None:  # else the number may be somebody else's by now
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _exited(self) -> bool:
        """Whether it has ended, without taking leave of it: as long as nobody has, its number stays its own."""
        if self._process.returncode is not None:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    # -- listening ---------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Give each frame to the call that it belongs to."""
        try:
            while (frame := self._pipe.read()) is not None:
                self._take(frame)
        except (PipeError, ValueError, IndexError, TypeError) as error:
            self._nonsense(error)
        self._process.wait()
        self._threads[0].join(timeout=1)
        self._gone()

    def _gone(self) -> None:
        with self._lock:
            self._dead = True
            waiting = list(self._conversations.values())
        self._hello.put(None)
        for conversation in waiting:
            conversation.frames.put(["dead"])

    def _take(self, frame: list[Any]) -> None:
        if frame[0] == "hello":
            self._hello.put(frame[1])
            return
        conversation = self._conversations.get(frame[1])
        if conversation is None:
            if frame[0] == "ask":
                with contextlib.suppress(PipeError):
                    self._pipe.write("cancel", frame[1])
            return
        conversation.heard = monotonic()
        if frame[0] == "ask" and frame[3]:
            # From a thread that the plugin started: it need not wait for the call's own thread.
            with self._lock:
                conversation.busy += 1
            self._loose.submit(conversation.context.copy().run, self._serve_loose, conversation, frame)
        else:
            conversation.frames.put(frame)

    def _overhear(self) -> None:
        """What plugins print."""
        assert self._process.stderr is not None  # noqa: S101
        for line in self._process.stderr:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self._last.append(self.said(text))

    # -- calling -----------------------------------------------------------------------------------

    def call(
        self, what: str, parts: tuple[Any, ...], session: Session[Any] | None = None, *, writing: bool = False
    ) -> Any:
        """Have something done there; an answer that comes item by item is an iterator with `close`.

        Raises what was raised there. When the process is gone or silent: `OutcomeUnknownError` if a call that is
        `writing` had made a request, else `TransientError`; `PluginError` when it wrote what makes no sense.
        """
        conversation = Conversation(next(self._numbers), session, writing)
        with self._lock:
            if self._dead:
                raise self._lost(conversation)
            self._conversations[conversation.number] = conversation
        try:
            self._write(conversation, "begin", conversation.number, what, pack(parts))
            kind, _, *rest = self._next(conversation)
        except BaseException:
            self._forget(conversation, cancel=True)
            raise
        if kind == "stream":
            return _Items(self, conversation)
        self._forget(conversation)
        if kind == "error":
            raise self._error(conversation, rest[0])
        return self._value(conversation, rest[0])

    def _next(self, conversation: Conversation) -> list[Any]:
        """What the call says next, after doing what it asks."""
        while True:
            frame = self._wait(conversation)
            if frame[0] == "dead":
                raise self._lost(conversation)
            if frame[0] != "ask":
                return frame
            self._serve(conversation, frame)
            conversation.heard = monotonic()

    def _wait(self, conversation: Conversation) -> list[Any]:
        while True:
            try:
                return conversation.frames.get(timeout=_TICK)
            except queue.Empty:
                self._look_at_the_clock(conversation)

    def _look_at_the_clock(self, conversation: Conversation) -> None:
        now = monotonic()
        if now - conversation.heard > 1 and self._exited():
            self._end()  # its output has no end yet: what it started holds the pipe open
        if conversation.busy:
            return
        if now - conversation.heard > self._patience:
            self.kill(f"it did not answer for {self._patience:.0f} s")
        elif conversation.session is not None and conversation.session.clock.stopping:
            conversation.stopping = conversation.stopping or now
            if now - max(conversation.stopping, conversation.heard) > STOP_PATIENCE:
                self.kill("it did not stop when it was asked to")

    def _serve_loose(self, conversation: Conversation, frame: list[Any]) -> None:
        try:
            self._serve(conversation, frame)
        except ConnectorError:
            pass  # the process is gone: the call's own thread says so
        finally:
            with self._lock:
                conversation.busy -= 1
            conversation.heard = monotonic()

    def _serve(self, conversation: Conversation, frame: list[Any]) -> None:
        _, _, number, _, target, values, named = frame
        try:
            values, named = [unpack(each) for each in values], {name: unpack(each) for name, each in named.items()}
            if self._dead:
                raise self._lost(conversation)
            if conversation.session is None:
                raise PluginError("It asked for a session outside a hook.")
            conversation.wrote = conversation.wrote or writes(target, values, named)
            answer = [True, pack(serve(conversation.session, target, values, named))]
        except Exception as error:  # noqa: BLE001  whatever it is, it is raised over there
            answer = [False, pack_error(error)]
        self._write(conversation, "reply", conversation.number, number, *answer)

    def _value(self, conversation: Conversation, packed: Any) -> Any:
        try:
            return unpack(packed)
        except PipeError as error:
            self._nonsense(error)
            raise self._lost(conversation) from error

    def _error(self, conversation: Conversation, packed: Any) -> BaseException:
        error = self._value(conversation, packed)
        return error if isinstance(error, Exception) else PluginError(f"{self._connector} raised {error!r}.")

    def _nonsense(self, error: Exception) -> None:
        self._rubbish = True
        self.kill(str(error) if isinstance(error, PipeError) else "what it wrote is no message")

    def _write(self, conversation: Conversation, *frame: Any) -> None:
        try:
            self._pipe.write(*frame)
        except PipeError as error:
            deadline = monotonic() + 1  # if it is ending, its own reason is the better one
            while not self._exited() and monotonic() < deadline:
                time.sleep(0.005)
            if not self._exited():
                self.kill(str(error))
            raise self._lost(conversation) from error

    def _forget(self, conversation: Conversation, *, cancel: bool = False) -> None:
        with self._lock:
            known = self._conversations.pop(conversation.number, None)
        if known is not None and cancel and not self._dead:
            with contextlib.suppress(PipeError):
                self._pipe.write("cancel", conversation.number)

    def _why(self) -> str:
        if self._reason:
            return self._reason
        code = self._process.wait()
        ended = f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"
        return f"{ended}: {self._last[-1]}" if self._last else ended

    def _lost(self, conversation: Conversation) -> CrossdockError:
        if not self._reason:
            self._threads[1].join(timeout=1)
        text = f"The process of the isolated connector {self._connector} is gone: {self._why()}."
        if conversation.writing and conversation.wrote:
            return OutcomeUnknownError(text, hint="The write may have been done; it is looked up before resending.")
        if self._rubbish:
            return PluginError(text, hint=f"This is a fault of the plugin {self._connector}; nothing was lost.")
        return TransientError(text, hint="It is started again by the next call.")


class _Items(Iterator[Any]):
    """The items of an answer, one at a time as they are asked for."""

    def __init__(self, child: Child, conversation: Conversation) -> None:
        self._child = child
        self._conversation = conversation
        self._done = False

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        kind, value = self._step("more")
        if kind == "item":
            return self._child._value(self._conversation, value)
        raise StopIteration if kind == "end" else self._child._error(self._conversation, value)

    def _step(self, word: Literal["more", "close"]) -> tuple[str, Any]:
        child, conversation = self._child, self._conversation
        conversation.heard = monotonic()
        try:
            child._write(conversation, word, conversation.number)
            kind, _, value = child._next(conversation)
        except BaseException:
            self._done = True
            child._forget(conversation, cancel=True)
            raise
        if kind != "item":
            self._done = True
            child._forget(conversation)
        return kind, value

    def close(self) -> None:
        """End it early; its `finally` blocks run over there."""
        while not self._done and self._child.alive:
            try:
                kind, value = self._step("close")
            except TransientError:
                return
            if kind == "error":
                raise self._child._error(self._conversation, value)

    def __del__(self) -> None:
        if not self._done:
            self._child._forget(self._conversation, cancel=True)
