"""How WordPress speaks: PHP's JSON, nested query strings, error bodies, ``_fields``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import attrs

__all__ = [
    "HOME",
    "Answer",
    "ApiError",
    "Call",
    "Json",
    "cut_fields",
    "flat_query",
    "invalid_id",
    "link_self",
    "nested_query",
    "php_json",
    "query_text",
    "widened",
]

Json = dict[str, Any]

HOME = "https://shop.invalid"
"""Stands for the shop's address in stored documents; the real one is put in when an answer leaves."""


def php_json(value: Any) -> bytes:
    r"""JSON as PHP writes it: no spaces, ``\/``, ``\u`` escapes (webhook signatures cover these bytes)."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()


class ApiError(Exception):
    """An answer of the shop that is no success; `data` is merged into the body's ``data``."""

    def __init__(self, code: str, message: str, status: int, data: Json | None = None, *, bare: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data or {}
        self.bare = bare

    def body(self) -> Json:
        """The error body; refund errors carry a bare integer as ``data`` (vendor page section 2, measured)."""
        data: Any = self.status if self.bare else {"status": self.status, **self.data}
        return {"code": self.code, "message": self.message, "data": data}


def invalid_id(kind: str, status: int = 404) -> ApiError:
    """The answer for an identifier that names nothing: 404 when read, 400 when written."""
    return ApiError(f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.", status)


@attrs.define
class Answer:
    """What a handler gives back: a JSON value, or ready bytes."""

    value: Any = None
    status: int = 200
    raw: bytes | None = None
    headers: dict[str, str] = attrs.field(factory=dict)

    def encoded(self) -> bytes:
        """The body's bytes."""
        return php_json(self.value) if self.raw is None else self.raw


@attrs.define
class Call:
    """One request after routing. `params` holds query and body merged and checked; `shown` is filled by lists."""

    method: str
    path: str
    query: Json
    params: Json
    body: Json
    rest_url: str = ""
    shown: list[int] = attrs.field(factory=list)


_KEY = re.compile(r"^([^\[]+)((?:\[[^\]]*\])*)$")


def nested_query(text: str) -> Json:
    """A query string or form body as PHP reads it: ``a[]=1&a[k]=2`` nests, a repeated plain key keeps the last."""
    result: Json = {}
    for key, value in parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace"):
        found = _KEY.match(key)
        if found is None:
            result[key] = value
            continue
        name = found.group(1).replace(".", "_").replace(" ", "_")
        _put(result, name, re.findall(r"\[([^\]]*)\]", found.group(2)), value)
    return result


def _put(target: Json, name: str, path: list[str], value: str) -> None:
    if not path:
        target[name] = value
        return
    inner = target.get(name)
    if not isinstance(inner, dict):
        inner = target[name] = {}
    _put(inner, path[0] or str(len(inner)), path[1:], value)


def flat_query(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested parameters as PHP writes them again: ``status[0]=any``; true is ``1``, false is ``0``."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        _flatten(pairs, name, value)
    return pairs


def _flatten(pairs: list[tuple[str, str]], name: str, value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _flatten(pairs, f"{name}[{key}]", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _flatten(pairs, f"{name}[{index}]", inner)
    elif isinstance(value, bool):
        pairs.append((name, "1" if value else "0"))
    elif value is not None:
        pairs.append((name, str(value)))


def query_text(params: Mapping[str, Any]) -> str:
    """`flat_query` as text, encoded as PHP's ``urlencode`` does."""
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in flat_query(params))


def cut_fields(value: Any, fields: str) -> Any:
    """``_fields``: keep the named fields, ``a.b`` reaching into objects. Nothing left is ``[]``, as in PHP."""
    tree: Json = {}
    for name in re.split(r"[\s,]+", fields.strip()):
        branch = tree
        for part in name.split("."):
            branch = branch.setdefault(part, {})
    if isinstance(value, list):
        return [_cut(each, tree) for each in value]
    return _cut(value, tree)


def _cut(value: Any, tree: Json) -> Any:
    if not isinstance(value, dict):
        return []
    kept = {name: _cut(inner, tree[name]) if tree[name] else inner for name, inner in value.items() if name in tree}
    return kept or []


_ALL = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def link_self(collection: str, key: int | str, up: str | None = None, allow: list[str] | None = None) -> Json:
    """``_links`` of an object of wc/v3: itself, its collection and its parent."""
    base = f"{HOME}/wp-json/wc/v3/"
    links: Json = {
        "self": [{"href": f"{base}{collection}/{key}", "targetHints": {"allow": allow or _ALL}}],
        "collection": [{"href": f"{base}{collection}"}],
    }
    if up is not None:
        links["up"] = [{"href": f"{base}{up}"}]
    return links


def widened(raw: bytes, added: Json) -> bytes:
    """A JSON answer with the fields `added` in every object, as an update of the shop or a plugin adds them."""

    def wide(value: Any) -> Any:
        if isinstance(value, list):
            return [wide(each) for each in value]
        return {name: wide(each) for name, each in value.items()} | added if isinstance(value, dict) else value

    return php_json(wide(json.loads(raw)))
