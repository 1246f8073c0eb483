"""What importing a plugin costs and does, seen in an interpreter of its own. Run as a program it looks and tells."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import subprocess
import sys
import threading
import time
from functools import cache
from types import ModuleType
from typing import Any

import attrs

_TRIES = 3
_ENOUGH = 0.15
_WAIT = 60
_NETWORK = ("socket.connect", "socket.bind", "socket.getaddrinfo")
_PROCESSES = ("subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.exec")
_CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.symlink", "os.link", "os.truncate")


@attrs.frozen
class Imported:
    """An import: processor seconds, what it did besides, and the error it ended with."""

    seconds: float
    effects: tuple[str, ...]
    error: str = ""

    @property
    def cheap(self) -> bool:
        """Whether it is cheap; the bound is three times the promise, because machines are busy."""
        return self.seconds <= _ENOUGH


@cache
def imported(module: str, file: str) -> Imported:
    """Import `module` (or, when there is none of that name, `file`) in a fresh interpreter; the best of three tries."""
    best = _once(module, file)
    for _ in range(_TRIES - 1):
        if best.cheap or best.error:
            break
        best = min(best, _once(module, file), key=lambda each: each.seconds)
    return best


def _once(module: str, file: str) -> Imported:
    command = [sys.executable, "-B", "-m", __name__, module, file, json.dumps(sys.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=False)  # noqa: S603
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return Imported(0.0, (), f"The interpreter ended with {done.returncode}: {done.stderr[-300:]}")
    return Imported(told["seconds"], tuple(told["effects"]), told["error"])


def _effect(event: str, arguments: tuple[Any, ...]) -> str:
    if event in _NETWORK:
        return "it used the network"
    if event.startswith(_PROCESSES):
        return "it started a process"
    if event in _CHANGES:
        return f"it changed the file system ({event} {arguments[0]})"
    if event == "open":
        path, mode, flags = arguments
        if (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return f"it wrote the file {path}"
    return ""


def _look(module: str, file: str) -> dict[str, Any]:
    import crossdock.mapping
    import crossdock.paging  # noqa: F401  what every plugin imports is the core's own cost

    effects: list[str] = []
    looking = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        effect = _effect(event, arguments) if looking else ""
        if effect:
            effects.append(effect)

    sys.addaudithook(hear)
    said, error = io.StringIO(), ""
    begun = time.process_time()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            load(module, file)
    except BaseException as broken:  # noqa: BLE001  a plugin may even call sys.exit at import
        error = f"{type(broken).__name__}: {broken}"
    seconds = time.process_time() - begun
    looking = False
    if said.getvalue():
        effects.append(f"it printed {said.getvalue()[:60]!r}")
    if threading.active_count() > 1:
        effects.append("it started a thread")
    return {"seconds": seconds, "effects": list(dict.fromkeys(effects)), "error": error}


def load(module: str, file: str) -> ModuleType:
    """Import `module` or, when there is none of that name, `file` under it."""
    if importlib.util.find_spec(module) is not None:
        return importlib.import_module(module)
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"There is no module {module}.")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    spec.loader.exec_module(made)
    return made


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[3])
    sys.stdout.write("\n" + json.dumps(_look(sys.argv[1], sys.argv[2])) + "\n")
