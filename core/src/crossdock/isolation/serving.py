"""What an isolated connector may ask of Crossdock: its own session, piece by piece, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crossdock.errors import PluginError
from crossdock.session import Session

_ANSWERS: dict[str, Callable[..., Any]] = {
    "http.count": lambda session: session.http.count,
    "redactor.text": lambda session, value: session.http.redactor.text(value),
    "redactor.bytes": lambda session, value: session.http.redactor.bytes(value),
    "redactor.headers": lambda session, value: session.http.redactor.headers(value),
    "redactor.add": lambda session, secrets, forget: session.http.redactor.add(secrets, forget),
    "clock.now": lambda session: session.clock.now(),
    "clock.sleep": lambda session, seconds: session.clock.sleep(seconds),
    "clock.stopping": lambda session: session.clock.stopping,
    "memory.get_many": lambda session, table, keys: session.memory.get_many(table, keys),
    "memory.put_many": lambda session, table, values: session.memory.put_many(table, values),
    "memory.forget": lambda session, table, keys: session.memory.forget(table, keys),
    "memory.items": lambda session, table: session.memory.items(table),
    "files.get": lambda session, name: session.files.get(name),
    "files.put": lambda session, name, content, facts: session.files.put(name, content, facts),
    "files.kept_at": lambda session, name: session.files.kept_at(name),
    "hooks.has": lambda session, name: bool(_hook(session, name)),
    "log": lambda session, level, text: session.log.log(level, "%s", session.http.redactor.text(text)),
}


def serve(session: Session[Any], target: str, values: list[Any], named: dict[str, Any]) -> Any:
    """The answer to one question; raises what the session raises."""
    if target == "http.request":
        answer = session.http.request(*values, **named)
        return [answer.status, dict(answer.headers), answer.content, answer.url, answer.seconds]
    if target == "hooks.call":
        hook = _hook(session, values[0])
        if hook is None:
            raise PluginError(f"Nobody implements the hook {values[0]}.")
        return hook(**named)
    given = _ANSWERS.get(target)
    if given is None:
        raise PluginError(f"An isolated connector asked for {target!r}, which nobody answers.")
    return given(session, *values)


def _hook(session: Session[Any], name: str) -> Any:
    """A hook that third parties added, if somebody implements it."""
    hook = getattr(session.hooks, name, None)
    return hook if hook is not None and hook.get_hookimpls() else None


def writes(target: str, values: list[Any], named: dict[str, Any]) -> bool:
    """Whether a question makes a request that may change something at the vendor."""
    return target == "http.request" and (bool(named.get("create")) or values[:1] not in (["GET"], ["HEAD"]))
