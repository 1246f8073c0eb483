"""The small template language of the mapping file: JSON in which values are named by paths.

* ``{"$": "line.quantity"}`` is the value of that name, as a number, text, list … of its own kind;
* a text may hold names in braces, ``"Bearer {secret.api_token}"``; a brace itself is written twice;
* ``{"$each": "order.lines", "$as": "line", "$item": …}`` is a list, one item for each line;
* ``{"$": "order.type", "$words": {"print": "PRINT"}}`` replaces words;
* everything else stands as it is.

A template is checked against the names that exist when the file is read, so that a typing mistake is found before
anything is sent.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import attrs
import msgspec

Scope = Mapping[str, Any]
Names = Mapping[str, Any]
"""The names a template may use: each a kind (a text), or a mapping, or a list with the names of its items."""
Render = Callable[[Scope], Any]

_VALUE = frozenset(("$", "$words"))
_LIST = frozenset(("$each", "$as", "$item"))


class TemplateError(Exception):
    """A mistake in the mapping file; `at` is the path of it."""

    def __init__(self, at: str, message: str) -> None:
        super().__init__(message)
        self.at = at


class Formats(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How values are written: dates (``strftime``), the decimal sign, everything as text, empty values left out."""

    date: str = "%Y-%m-%d"
    decimal_sign: str = "."
    values_as_text: bool = False
    omit_empty: bool = True


@attrs.frozen
class Compiler:
    """Makes renderers of templates; a renderer takes the values and gives plain JSON values."""

    formats: Formats

    def value(self, template: Any, names: Names, at: str) -> Render:
        """A renderer for `template`, which stands at the path `at`; raises `TemplateError`."""
        if isinstance(template, str):
            return self.text(template, names, at)
        if isinstance(template, list):
            parts = [self.value(each, names, f"{at}[{number}]") for number, each in enumerate(template)]
            return lambda scope: [part(scope) for part in parts]
        if not isinstance(template, dict):
            return lambda scope: template
        marks = {name for name in template if name.startswith("$")}
        if not marks:
            return self._object(template, names, at)
        if "$" in marks and template.keys() <= _VALUE:
            return self._named(template, names, at)
        if template.keys() == _LIST:
            return self._each(template, names, at)
        raise TemplateError(at, f"{' and '.join(sorted(template))} do not belong together")

    def text(self, template: str, names: Names, at: str, *, in_address: bool = False) -> Render:
        """A renderer for a text with names in braces; values in an address are escaped."""
        try:
            parts = list(string.Formatter().parse(template))
        except ValueError as error:
            raise TemplateError(at, f"the braces do not match; write {{{{ for a brace ({error})") from error
        for _, name, spec, conversion in parts:
            if name is not None:
                if spec or conversion:
                    raise TemplateError(at, f"only a name may stand in braces, not {name}:{spec or conversion}")
                if isinstance(_kind(name, names, at), list | dict) or _kind(name, names, at) == "list":
                    raise TemplateError(at, f"{name!r} is no single value")

        def render(scope: Scope) -> str:
            made = []
            for literal, name, _, _ in parts:
                made.append(literal)
                if name is not None:
                    found = self._as_text(_look_up(name, scope))
                    made.append(quote(found, safe="") if in_address else found)
            return "".join(made)

        return render

    def _object(self, template: dict[str, Any], names: Names, at: str) -> Render:
        parts = {name: self.value(each, names, f"{at}.{name}") for name, each in template.items()}

        def render(scope: Scope) -> dict[str, Any]:
            made = {name: part(scope) for name, part in parts.items()}
            if not self.formats.omit_empty:
                return made
            return {name: value for name, value in made.items() if value not in (None, "", [], {})}

        return render

    def _named(self, template: dict[str, Any], names: Names, at: str) -> Render:
        name, words = template["$"], template.get("$words", {})
        if not isinstance(name, str) or not isinstance(words, dict):
            raise TemplateError(at, "$ takes a name, and $words an object of words")
        if isinstance(_kind(name, names, at), list | dict):
            raise TemplateError(at, f"{name!r} is no single value; a list is written with $each")

        def render(scope: Scope) -> Any:
            value = self._plain(_look_up(name, scope))
            return words.get(value, value) if isinstance(value, str) else value

        return render

    def _each(self, template: dict[str, Any], names: Names, at: str) -> Render:
        several, single = template["$each"], template["$as"]
        kinds = _kind(several, names, at) if isinstance(several, str) else None
        if not isinstance(kinds, list):
            raise TemplateError(at, f"{several!r} is no list of things")
        if not isinstance(single, str) or not single.isidentifier() or single in names:
            raise TemplateError(at, "$as takes a new name for one thing of the list")
        item = self.value(template["$item"], {**names, single: kinds[0]}, f"{at}.$item")
        return lambda scope: [item({**scope, single: each}) for each in _look_up(several, scope)]

    def _plain(self, value: Any) -> Any:
        if isinstance(value, list):
            return list(value)
        if value is None or isinstance(value, str):
            return value
        comma = isinstance(value, Decimal) and self.formats.decimal_sign != "."
        if self.formats.values_as_text or comma or isinstance(value, date):
            return self._as_text(value)
        return value

    def _as_text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, date):
            return value.strftime(self.formats.date)
        if isinstance(value, Decimal):
            return f"{value:f}".replace(".", self.formats.decimal_sign)
        return "" if value is None else str(value)


def _kind(name: str, names: Names, at: str) -> Any:
    found: Any = names
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
        if found is None:
            near = ", ".join(sorted(_listed(names, "")))
            raise TemplateError(at, f"there is no {name!r}; the names here are: {near}")
    return found


def _listed(names: Names, prefix: str) -> Iterator[str]:
    for name, kind in names.items():
        if isinstance(kind, Mapping):
            yield from _listed(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def _look_up(name: str, scope: Scope) -> Any:
    found: Any = scope
    for part in name.split("."):
        found = found[part]
    return found
