"""The base of every sandbox: a system's twin as an ASGI app with state, faults and a control door.

A plugin's ``sandbox.py`` subclasses `Sandbox`, gives its routes and its state, and names itself in
``ConnectorInfo.sandbox``. `serve` runs it on a loopback port in a thread; ``crossdock sandbox NAME``
runs it in a process of its own. Both have the same control door::

    GET  /_sandbox/state               the whole state as JSON: what a test compares with
    POST /_sandbox/faults              {"kind": "status", "path": "/orders", "status": 429, "times": 2}
    GET  /_sandbox/requests            the request log: method, path, query, status, fault
    POST /_sandbox/reset               empties log and faults
    GET  /_sandbox/do                  the actions of the system's own, and what each takes
    POST /_sandbox/do/<action>         an action of the system's own, arguments as a JSON object
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from crossdock.sandbox.clock import VendorClock
from crossdock.sandbox.faults import Fault, FaultMiddleware, dated
from crossdock.sandbox.rehearsal import Impossible, NotRehearsed, Rehearsal

__all__ = [
    "Fault", "Impossible", "NotRehearsed", "Rehearsal", "Sandbox", "Serving", "VendorClock", "json_response", "serve",
]  # fmt: skip


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """A JSON answer; `Decimal` becomes text, as most vendors send money."""
    return Response(msgspec.json.encode(value), status, dict(headers or {}), media_type)


class Sandbox:
    """A system's twin. Subclasses set `name` (and `logs`) and implement `routes`, `state`, `settings` and `actions`."""

    name = "sandbox"
    logs: tuple[str, ...] = ()
    """Places of the state, such as ``imports`` or ``orders[].version``, that tell what was asked, not what is held."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.requests: list[dict[str, Any]] = []
        self.lock = threading.RLock()  # guards state: a test may act on it while the server thread answers
        self.base_url = ""  # set by serve()
        self.between: Callable[[str, str], None] | None = None
        """Called with method and path after the answer was made and before it leaves: what happens between two."""

    def routes(self) -> Sequence[BaseRoute]:
        """The vendor's paths."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Everything a test or the demo compares with, as plain JSON values."""
        raise NotImplementedError

    def settings(self, base_url: str) -> dict[str, str]:
        """The settings of a working connection to this sandbox, in the connector's own field names."""
        raise NotImplementedError

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the system's own people and clock do: ship an order, edit a product, let a job finish."""
        return {}

    def rehearsal(self) -> Rehearsal:
        """How the contract kit makes things happen here; see `crossdock.sandbox.rehearsal`."""
        return Rehearsal()

    def fault(self, kind: str, **details: Any) -> Fault:
        """Plan a fault and return it; see `crossdock.sandbox.faults`."""
        fault = Fault(kind, **details)
        self.faults.append(fault)
        return fault

    def app(self) -> FaultMiddleware:
        """The ASGI application: vendor routes, control door, faults outermost."""
        control = [
            Route("/_sandbox/state", self._state),
            Route("/_sandbox/faults", self._faults, methods=["POST"]),
            Route("/_sandbox/requests", self._requests),
            Route("/_sandbox/reset", self._reset, methods=["POST"]),
            Route("/_sandbox/do", self._doable),
            Route("/_sandbox/do/{action}", self._do, methods=["POST"]),
        ]
        routes = Starlette(routes=[*control, *self.routes()])
        return FaultMiddleware(dated(routes), self.faults, self.requests, self._between)

    def _between(self, method: str, path: str) -> None:
        if self.between is not None:
            self.between(method, path)

    async def _state(self, request: Request) -> Response:
        with self.lock:
            return json_response(self.state())

    async def _faults(self, request: Request) -> Response:
        self.faults.append(Fault(**await request.json()))
        return json_response({"planned": len(self.faults)})

    async def _requests(self, request: Request) -> Response:
        return json_response(self.requests)

    async def _reset(self, request: Request) -> Response:
        self.faults.clear()
        self.requests.clear()
        return json_response({})

    async def _do(self, request: Request) -> Response:
        action = self.actions().get(request.path_params["action"])
        if action is None:
            return json_response({"error": f"no such action; there are {sorted(self.actions())}"}, 404)
        body = await request.body()
        try:
            asked = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
            inspect.signature(action).bind(**asked)
        except (msgspec.MsgspecError, TypeError) as error:
            name = request.path_params["action"]
            return json_response({"error": f"{name} takes {_arguments(action)} as a JSON object: {error}."}, 400)
        with self.lock:
            return json_response(action(**asked))

    async def _doable(self, request: Request) -> Response:
        return json_response({name: _arguments(action) for name, action in sorted(self.actions().items())})


def _arguments(action: Callable[..., Any]) -> str:
    """What an action takes, as it is written in its code, without what it answers."""
    told = inspect.signature(action)
    named = [
        each.replace(annotation=_Word(each.annotation)) if isinstance(each.annotation, str) else each
        for each in told.parameters.values()
    ]
    return str(told.replace(parameters=named, return_annotation=inspect.Signature.empty))


class _Word(str):
    """An annotation that is shown without quotation marks."""

    __slots__ = ()
    __repr__ = str.__str__


class _Server(uvicorn.Server):
    """Ends when it is told to: uvicorn's own looks ten times a second whether to end, and then waits a tenth more.

    Tests begin and end thousands of servers.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.runs = threading.Event()

    async def main_loop(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)
        self.runs.set()
        await self._over.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # what is closed says so in the next turn of the loop

    def end(self) -> None:
        """End, from any thread."""
        self.should_exit = self.force_exit = True
        if self.runs.is_set():
            with contextlib.suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._over.set)


class Serving:
    """A sandbox being served from a thread of this process."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        # asyncio sees proto 0 on this socket and leaves Nagle on: 40 ms for each answer. Accepted sockets inherit this.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        sandbox.base_url = self.url
        config = uvicorn.Config(
            sandbox.app(),
            log_config=None,  # its own would switch on again what `crossdock.logs` switched off
            log_level="error",
            access_log=False,
            lifespan="off",
            # The same everywhere, whatever else is installed: faults reach into the server's own objects.
            loop="asyncio",
            http="h11",
            timeout_keep_alive=30,
            server_header=False,
            date_header=False,  # `dated` sends it: a sandbox with a clock of its own sends its own, and only one
        )
        self._server = _Server(config)
        # Not the thread is waited for: Python takes one whose join was interrupted by Ctrl-C for ended.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sandbox-{sandbox.name}", daemon=True)

    def start(self) -> None:
        """Serve from now on; returns when requests are answered."""
        self._thread.start()
        while not self._server.runs.wait(0.1) and not self._ended.is_set():
            pass

    def stop(self) -> None:
        """Stop serving; open connections are dropped."""
        self._server.end()
        self._ended.wait(timeout=10)
        self._socket.close()

    def wait(self) -> None:
        """Block until the server ends (used by ``crossdock sandbox``)."""
        while not self._ended.wait(timeout=0.5):
            pass

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._ended.set()


@contextlib.contextmanager
def serve(sandbox: Sandbox, port: int = 0) -> Iterator[Serving]:
    """Serve `sandbox` on a loopback port (a free one by default) while the block runs."""
    serving = Serving(sandbox, port)
    serving.start()
    try:
        yield serving
    finally:
        serving.stop()
