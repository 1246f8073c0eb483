"""Modules stay small enough to be read in one go."""

from __future__ import annotations

from pathlib import Path

LIMIT = 400

LARGER = {
    "core/src/crossdock/hookspecs.py": "a list of signatures, most of it their documentation",
    "core/src/crossdock/paging.py": "the walks share their cursor and their proofs",
    "core/src/crossdock/records.py": "a list of classes, most of it their fields",
    "core/src/crossdock/registry.py": "a list of typed faces, one for each hook",
    "core/src/crossdock/store/tables.py": "a list of tables, most of it their columns",
    "plugins/extendcommerce/src/crossdock_extendcommerce/sandbox/orders.py": "the vendor's rules for an order",
    "plugins/extendcommerce/src/crossdock_extendcommerce/sandbox/twin.py": "a method for each thing people do there",
    "plugins/woocommerce/src/crossdock_woocommerce/sandbox/routes.py": "a table of the vendor's addresses",
}


def _sizes(root: Path) -> dict[str, int]:
    modules = [*root.glob("core/src/**/*.py"), *root.glob("plugins/*/src/**/*.py")]
    return {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in modules}


def test_no_module_is_too_long(root: Path) -> None:
    long = {name: size for name, size in _sizes(root).items() if size >= LIMIT and name not in LARGER}

    assert not long, f"Split them, or give a reason in LARGER: {long}"


def test_every_exception_is_still_needed(root: Path) -> None:
    sizes = _sizes(root)

    assert not [name for name in LARGER if sizes.get(name, 0) < LIMIT]
