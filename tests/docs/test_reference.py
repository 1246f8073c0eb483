"""The generated pages say what the source says, of everything, and what they show type-checks."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import attrs
import msgspec
import pytest
from author_kit import ROOT

import crossdock
from crossdock import mapping, paging, records, sandbox
from crossdock.hookspecs import AMBIENT_HOOKS, ARGUMENTS, CONNECTOR_HOOKS, AmbientSpec, ConnectorSpec

HOOKS = [(name, getattr(ConnectorSpec, name)) for name in CONNECTOR_HOOKS] + [
    (name, getattr(AmbientSpec, name)) for name in AMBIENT_HOOKS
]
NOT_SHOWN = {
    "Batch": "what walk_feeds hands out",
    "CrossdockError": "the root of what is shown",
    "NotRehearsed": "what the kit is told for what a rehearsal leaves out",
    "Record": "any of the records",
    "Serving": "what serve hands out",
    "StatusUpdate": "the example of push_statuses in docs/hooks.md shows it",
    "deprecated": "for the core and for hooks of ambient plugins",
    "exponent": "what round_money asks",
    "hookspec": "for hooks of ambient plugins",
    "with_rounding_line": "what flows do with --totals line",
}
"""What no page for authors uses, and why."""


@pytest.fixture
def scripts(monkeypatch):
    """The scripts that write pages, by name."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(ROOT / "docs")):
            del sys.modules[name]


@pytest.mark.parametrize("page", ["hooks", "records", "reference"])
def test_a_page_is_what_make_docs_writes(page, scripts):
    assert (ROOT / "docs" / f"{page}.md").read_text() == scripts(f"write_{page}").page()


def test_the_public_face_has_an_entry_for_every_name(scripts):
    modules = [dict(scripts("described").public(module)) for module in (mapping, paging)]
    public = {name for names in modules for name in names} | set(sandbox.__all__)
    entries = {name for _, name, _ in scripts("write_reference").entries()}
    described = {name for name in crossdock.__all__ if hasattr(records, name)}

    assert not (set(crossdock.__all__) | public) - entries - described - {"__version__"}


def test_everything_public_is_used_by_a_page_for_authors(scripts):
    reference = scripts("write_reference")
    unused = {name for _, name, _ in reference.entries() if not reference.shown_in(name)}

    assert unused == set(NOT_SHOWN), "Show it on a page in docs/author, or say in NOT_SHOWN why not."


def test_every_field_says_what_it_means(scripts):
    described = scripts("described")
    kinds = {value for _, _, value in scripts("write_reference").entries() if inspect.isclass(value)}
    kinds |= {
        value for value in vars(records).values() if inspect.isclass(value) and value.__module__ == records.__name__
    }
    silent = []
    for kind in kinds:
        if not attrs.has(kind) and not issubclass(kind, msgspec.Struct):
            continue
        known = {field.name: field.meaning for field in described.fields(kind)}
        real = attrs.fields_dict(kind) if attrs.has(kind) else kind.__struct_fields__
        silent += [f"{kind.__name__}.{name}" for name in real if not known.get(name) and not name.startswith("_")]

    assert not silent, "Say it in a #: comment at the field."


@pytest.mark.parametrize(("name", "hook"), HOOKS)
def test_every_argument_of_a_hook_is_explained(name, hook):
    arguments = [each for each in inspect.signature(hook).parameters if each != "self"]

    assert not [each for each in arguments if each not in ARGUMENTS and f"{name}.{each}" not in ARGUMENTS]


def test_no_argument_is_explained_that_no_hook_has():
    real = {(name, argument) for name, hook in HOOKS for argument in inspect.signature(hook).parameters}
    plain = {argument for _, argument in real}

    assert not [key for key in ARGUMENTS if tuple(key.split(".")) not in real and key not in plain]


def test_every_hook_is_described_with_an_example_that_implements_it():
    texts = {name: hook.__doc__ or "" for name, hook in HOOKS}

    assert not [name for name, text in texts.items() if f"def {name}(" not in text.partition("Example::")[2]]


# -- what is shown type-checks -------------------------------------------------------------------------

_PRELUDE = '''
"""What the examples of hooks take for granted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import attrs
import pluggy

from crossdock import *
from crossdock.hookspecs import hookspec


@attrs.frozen(kw_only=True)
class Settings:
    url: str = setting("Address")
    webhook_secret: Secret = setting("Secret", default=Secret(""))


class MySpecs:
    @hookspec
    def acme_asked(self) -> None: ...


gauge: Any
audit: Any
chat: Any
pager: Any


def endpoint(settings: Settings) -> Endpoint: ...
def pages(session: Session[Settings], query: Query) -> Iterator[tuple[list[Row[Any]], str]]: ...
def to_order(row: Any) -> Order: ...
def to_shipment(row: Any) -> Shipment: ...
def to_product(row: Any) -> Product: ...
def to_price(row: Any) -> Price: ...
def to_balance(row: Any) -> Balance: ...
def to_customer(row: Any) -> Customer: ...
def from_order(order: Order, key: str) -> dict[str, Any]: ...
def from_shipment(shipment: Shipment, key: str) -> dict[str, Any]: ...
def from_product(product: Product) -> dict[str, Any]: ...
def from_customer(customer: Customer) -> dict[str, Any]: ...
def encode(value: object) -> str: ...
def to_outcomes(report: Any) -> list[Outcome]: ...
def signed(request: WebhookRequest, secret: Secret) -> bool: ...
'''


def _examples() -> str:
    """All examples of hooks as one module, each compared with its hook's signature."""
    used: set[str] = set()
    parts = [_PRELUDE.strip()]
    for name, hook in HOOKS:
        code = inspect.cleandoc((inspect.getdoc(hook) or "").partition("Example::\n")[2])
        used |= {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        signature = inspect.signature(hook)
        kinds = [str(each.annotation) for key, each in signature.parameters.items() if key != "self"]
        parts.append(f"{code}\n\n\n_{name}: Callable[[{', '.join(kinds)}], {signature.return_annotation}] = {name}")
    names = sorted((used | set(re.findall(r"\w+", "\n".join(parts)))) & (set(crossdock.__all__) - {"hookspec"}))
    return "\n\n\n".join(parts).replace("import *", "import " + ", ".join(names)) + "\n"


@pytest.mark.slow
def test_what_pages_show_passes_the_type_checker(package: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples_of_hooks.py"
    examples.write_text(_examples())
    shown = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "records.md").read_text(), re.DOTALL)
    record = tmp_path / "example_of_records.py"
    record.write_text(shown[1] if shown else "")
    runpy.run_path(str(record))

    result = subprocess.run(
        [
            Path(sys.executable).parent / "mypy", "--config-file", ROOT / "pyproject.toml", "--no-error-summary",
            "--disable-error-code=empty-body", "--cache-dir", tmp_path / "cache", record, examples,
            package / "crossdock_acme", package / "tests",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert not result.stdout + result.stderr
