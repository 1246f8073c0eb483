"""The public face: what authors may import, and hooks that explain themselves."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

import crossdock
from crossdock import hookspecs

_SPECS = [cls for _, cls in inspect.getmembers(hookspecs, inspect.isclass) if cls.__module__ == hookspecs.__name__]


def _hooks() -> Iterator[tuple[type[Any], str, Any]]:
    for spec in _SPECS:
        for name, function in vars(spec).items():
            if hasattr(function, "crossdock_spec"):
                yield spec, name, function


HOOKS = list(_hooks())
hooks = pytest.mark.parametrize(("spec", "name", "function"), HOOKS, ids=[name for _, name, _ in HOOKS])


def _for_type_checkers() -> dict[str, str]:
    """Name to module of what type checkers see."""
    tree = ast.parse(inspect.getsource(crossdock))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for each in node.names:
            assert each.name == each.asname, f"{each.name} is not exported explicitly"
            found[each.name] = str(node.module)
    return found


def test_type_checkers_and_the_interpreter_see_the_same_names_from_the_same_modules():
    assert _for_type_checkers() == crossdock._HOME


@pytest.mark.parametrize("name", sorted(crossdock._HOME))
def test_every_exported_name_is_there(name):
    assert getattr(crossdock, name) is not None
    assert name in crossdock.__all__


@pytest.mark.parametrize("name", sorted(crossdock._HOME))
def test_every_exported_class_and_function_is_explained(name):
    value = getattr(crossdock, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value)


def test_a_name_that_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        crossdock.no_such_name  # noqa: B018


def test_importing_the_face_loads_neither_the_http_client_nor_the_database():
    heavy = "httpx", "sqlalchemy", "sqlmodel", "starlette", "uvicorn", "click", "cryptography"
    program = (
        "import crossdock, sys\n"
        "from crossdock import ConnectorInfo, Order, Page, Session, hookimpl, setting, basic_auth\n"
        "import crossdock.mapping, crossdock.paging\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"


# -- hooks -------------------------------------------------------------------------------------------


def test_the_hooks_of_the_brief_keep_their_names():
    names = {name for _, name, _ in HOOKS}

    assert {
        "connector_info", "verify", "fetch_orders", "push_order", "fetch_products", "fetch_prices", "fetch_balance",
        "handle_webhook",
    } <= names  # fmt: skip


@hooks
def test_a_hook_says_what_it_does_and_shows_an_example_that_parses(spec, name, function):
    documentation = inspect.getdoc(function) or ""
    text, found, example = documentation.partition("Example::")

    assert text.strip()
    assert found
    tree = ast.parse(textwrap.dedent(example.lstrip("\n")))
    shown = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert name in [node.name for node in shown]


@hooks
def test_the_example_of_a_hook_has_the_signature_of_the_hook(spec, name, function):
    _, _, example = (inspect.getdoc(function) or "").partition("Example::")
    shown = next(
        node
        for node in ast.walk(ast.parse(textwrap.dedent(example.lstrip("\n"))))
        if isinstance(node, ast.FunctionDef) and node.name == name
    )
    wanted = [each for each in inspect.signature(function).parameters if each != "self"]

    # Hook implementations may leave parameters out, but never add or rename one, and never give a default.
    assert {each.arg for each in shown.args.args} <= set(wanted)
    assert not shown.args.defaults
    assert not shown.args.kwonlyargs


@hooks
def test_a_hook_takes_plain_parameters_without_defaults(spec, name, function):
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is inspect.Parameter.empty


@hooks
def test_a_connector_hook_has_one_answer(spec, name, function):
    if spec is hookspecs.ConnectorSpec:
        assert function.crossdock_spec["firstresult"]


@hooks
def test_hooks_are_synchronous(spec, name, function):
    assert not inspect.iscoroutinefunction(function)
