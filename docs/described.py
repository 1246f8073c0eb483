"""What the source says of a class or function: fields with their meaning, methods, signatures, docstrings as Markdown.

The meaning of a field is the `#:` comment behind it or above it: it costs nothing when the module is imported.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import attrs

WIDTH = 120


@attrs.frozen
class Field:
    """A field of a class: type and default as they are written (`None`: it is required), and what it means."""

    name: str
    type: str
    default: str | None
    meaning: str


def fields(kind: type[Any]) -> tuple[Field, ...]:
    """The public fields of a class in the order of their declaration."""
    lines = textwrap.dedent(inspect.getsource(kind)).splitlines()
    body = _class(kind).body
    return tuple(
        Field(node.target.id, ast.unparse(node.annotation), _default(node.value), _meaning(lines, node))
        for node in body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not node.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(node.annotation)
    )


def _class(kind: type[Any]) -> ast.ClassDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    if not isinstance(node, ast.ClassDef):
        raise TypeError(f"{kind.__name__} is no class.")
    return node


def _default(value: ast.expr | None) -> str | None:
    if not isinstance(value, ast.Call) or ast.unparse(value.func) != "attrs.field":
        return None if value is None else ast.unparse(value)
    given = {each.arg: ast.unparse(each.value) for each in value.keywords}
    if "factory" in given:
        return {"dict": "{}", "list": "[]"}.get(given["factory"], "of its own")
    return given.get("default")


def _meaning(lines: list[str], node: ast.AnnAssign) -> str:
    _, found, behind = lines[(node.end_lineno or node.lineno) - 1].partition("#: ")
    if found:
        return behind.strip()
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#: "):
            break
        above.insert(0, line.strip().removeprefix("#: "))
    return " ".join(above)


def methods(kind: type[Any]) -> Iterator[tuple[str, Callable[..., Any], bool]]:
    """The public methods and properties of a class and its bases of ours: name, function, whether it is a property."""
    ours = [base for base in reversed(kind.__mro__) if base.__module__.startswith("crossdock.")]
    for name, value in {name: value for base in ours for name, value in vars(base).items()}.items():
        function = value.fget if isinstance(value, property) else value
        if not name.startswith("_") and inspect.isfunction(function):
            yield name, function, isinstance(value, property)


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public classes and functions that a module defines, in the order of its source."""
    for name, value in vars(module).items():
        ours = getattr(value, "__module__", "") == module.__name__
        if ours and not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            yield name, value


# -- as Markdown -------------------------------------------------------------------------------------


def table(kind: type[Any], links: Mapping[str, str]) -> str:
    """A class's fields as a table; a type whose name is in `links` leads there."""
    rows = [
        f"| `{each.name}` | {typed(each.type, links)} | {_shown(each.default)} | {_escaped(each.meaning)} |"
        for each in fields(kind)
    ]
    return "\n".join(("| field | type | default | meaning |", "|---|---|---|---|", *rows))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(default: str | None) -> str:
    if default is None:
        return "required"
    plain = {"''": "empty", "()": "none", "{}": "none", "[]": "none", "ZERO": "`0`", "ONE": "`1`", "b''": "empty"}
    text = plain.get(default) or f"`{default}`".replace("'", '"')
    return _escaped(text)


def typed(text: str, links: Mapping[str, str]) -> str:
    """A type as code, linked to what its first known name is."""
    code = _escaped(f"`{text}`").replace("'", '"')
    target = next((links[name] for name in re.findall(r"\w+", text) if name in links), "")
    return f"[{code}]({target})" if target else code


def signature(function: Callable[..., Any], name: str = "") -> str:
    """A function as one would write its head, on several lines when it is long."""
    found = inspect.signature(function)
    parts: list[str] = []
    for each in found.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        if each.name != "self":
            parts.append(_parameter(each))
    answer = "" if found.return_annotation is found.empty else f" -> {found.return_annotation}"
    head = f"def {name or function.__name__}"
    one = f"{head}({', '.join(parts)}){answer}"
    if len(one) <= 96:
        return one
    return "\n".join((f"{head}(", *(f"    {each}," for each in parts), f"){answer}"))


def _parameter(each: inspect.Parameter) -> str:
    star = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
    text = f"{star}{each.name}" if each.annotation is each.empty else f"{star}{each.name}: {each.annotation}"
    if each.default is each.empty:
        return text
    # A bare object marks "nothing was given"; its address says nothing.
    default = "..." if type(each.default) is object else repr(each.default).replace("'", '"')
    return f"{text} = {default}"


def prose(text: str) -> str:
    """A docstring as Markdown: one backtick marks code, paragraphs are filled, lists, tables and code are kept."""
    return "\n\n".join(filter(None, (_block(block) for block in re.split(r"\n\s*\n", text.strip("\n")))))


def _block(block: str) -> str:
    block = re.sub(r"``([^`]+)``", r"`\1`", textwrap.dedent(block))
    if block.startswith("==="):
        return _grid(block)
    if block.startswith(("*", "    ")):
        return block
    return textwrap.fill(" ".join(block.split()), WIDTH, break_long_words=False, break_on_hyphens=False)


def _grid(block: str) -> str:
    """A simple table of reStructuredText as one of Markdown."""
    border, *lines = block.splitlines()
    cut = border.index(" ")
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith("=="):
            continue
        left, right = line[:cut].strip(), line[cut:].strip()
        if left:
            rows.append([left, right])
        else:
            rows[-1][1] += f" {right}"
    return "\n".join(("| kind | what happens |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)))


def example(text: str) -> tuple[str, str]:
    """A docstring without its example, and the example."""
    before, _, shown = text.partition("\nExample::\n")
    return before.strip(), textwrap.dedent(shown.strip("\n")).rstrip()


def filled(words: str) -> str:
    """Running words in lines of the usual width."""
    return textwrap.fill(words, width=WIDTH, break_long_words=False, break_on_hyphens=False)
