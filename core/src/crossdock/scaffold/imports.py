"""The imports of a generated module: found by the names that it uses, so that none is missing and none is idle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

_WIDTH = 120
_FROM: Mapping[str, str] = {
    "collections.abc": "Callable Iterable Iterator Mapping Sequence",
    "datetime": "UTC datetime timedelta",
    "decimal": "Decimal",
    "email.utils": "format_datetime",
    "hashlib": "sha256",
    "pathlib": "Path",
    "typing": "TYPE_CHECKING Any Protocol TypeVar",
    "urllib.parse": "parse_qs quote urlencode",
    "crossdock": (
        "Answer Auth Balance ByKeys Changed Check ClientCredentials ConnectorInfo Endpoint Gap Order OrderLine "
        "OrderStatus Outcome Outgoing Page Price Product Query Receipt RecordError Row Secret Session SettingsError "
        "Shipment StreamInfo TransientError WebhookReply WebhookRequest WebhookState basic_auth evolve header_auth "
        "hookimpl query_auth setting"
    ),
    "crossdock.mapping": "fail one_of text total_difference utc",
    "crossdock.paging": "ChangeLists chunks offset_pages settled_rows token_pages",
    "crossdock.sandbox": "Impossible Rehearsal Sandbox VendorClock json_response",
    "crossdock.testing": "ConnectorContract ConnectorFixtures Golden",
    "starlette.requests": "Request",
    "starlette.responses": "Response",
    "starlette.routing": "BaseRoute Route",
}
_MODULES = (
    "attrs",
    "base64",
    "hashlib",
    "hmac",
    "msgspec",
    "pytest",
    "re",
    "secrets",
    "subprocess",
    "sys",
    "time",
    "urllib.request",
)
_STANDARD = (
    "base64 collections.abc datetime decimal email.utils hashlib hmac pathlib re secrets subprocess sys time typing "
    "urllib.parse urllib.request"
)
_OWN: Mapping[str, str] = {
    "": "mapping plugin reading webhook wire writing",
    "rehearsal": "{twin}Rehearsal",
    "sandbox": "{twin}",
    "settings": "Settings endpoint",
    "signing": "signature signed_auth",
}


def with_imports(code: str, package: str, twin: str) -> str:
    """`code`, a module without imports, with those that it needs after its docstring."""
    tree = ast.parse(code)
    docstring = tree.body[0].end_lineno or 0
    lines = code.splitlines()
    block = "\n\n".join("\n".join(section) for section in _sections(tree, package, twin) if section)
    head, body = "\n".join(lines[:docstring]), "\n".join(lines[docstring:]).strip("\n")
    first = tree.body[1] if len(tree.body) > 1 else None
    gap = "\n\n\n" if isinstance(first, ast.FunctionDef | ast.ClassDef) else "\n\n"
    parts = head + ("\n\n" + block if block else "")
    return parts + (gap + body if body else "") + "\n"


def _sections(tree: ast.Module, package: str, twin: str) -> Iterator[list[str]]:
    names = _free(tree)
    own = [
        line
        for module, offered in _OWN.items()
        for line in _from(
            f"{package}.{module}".rstrip("."), [each.format(twin=twin) for each in offered.split()], names
        )
    ]
    # The sandbox makes the rehearsal, which names the sandbox only in annotations.
    guarded = [
        (module, line) for module, line in own if module.endswith(".sandbox") and f"{twin}Rehearsal" in _made(tree)
    ]
    if guarded:
        yield ["from __future__ import annotations"]
        names.add("TYPE_CHECKING")
    found = [(module, f"import {module}") for module in _MODULES if module.partition(".")[0] in names]
    for module, offered in _FROM.items():
        found += _from(module, offered.split(), names)
    found.sort(key=lambda each: (each[1].startswith("from "), each[0]))
    yield [line for module, line in found if module in _STANDARD.split()]
    yield [line for module, line in found if module not in _STANDARD.split()]
    yield [line for _, line in sorted(set(own) - set(guarded))]
    yield ["if TYPE_CHECKING:", *(f"    {line}" for _, line in guarded)] if guarded else []


def _made(tree: ast.Module) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _free(tree: ast.Module) -> set[str]:
    """The names that are read somewhere and not defined in the module itself."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return used - _made(tree) - stored - arguments


def _from(module: str, offered: list[str], names: set[str]) -> list[tuple[str, str]]:
    wanted = sorted((each for each in offered if each in names), key=_order)
    if not wanted:
        return []
    line = f"from {module} import {', '.join(wanted)}"
    if len(line) > _WIDTH:
        line = f"from {module} import (\n" + "".join(f"    {each},\n" for each in wanted) + ")"
    return [(module, line)]


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as formatters sort them."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name
