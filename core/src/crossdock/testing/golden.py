"""Golden files: what something looked like when a person last said that it was right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import msgspec

FOLDER = "golden"


class Golden:
    """Compares a value with the file ``golden/<name>.json`` beside the test.

    With ``pytest --crossdock-update-golden`` the file is written instead; a person looks at the difference.
    """

    def __init__(self, folder: Path, *, update: bool) -> None:
        self.folder = folder / FOLDER
        self.update = update

    def __call__(self, name: str, value: Any) -> None:
        """Compare `value` (a record, a page, JSON values); raises `AssertionError` with both texts."""
        path = self.folder / f"{name}.json"
        text = _text(value)
        if self.update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        if not path.is_file():
            raise AssertionError(f"{path} does not exist. Write it with: pytest --crossdock-update-golden")
        before = path.read_text(encoding="utf-8")
        assert text == before, f"{path.name} differs. If that is right: pytest --crossdock-update-golden"  # noqa: S101


def _text(value: Any) -> str:
    plain = msgspec.to_builtins(value, builtin_types=(), str_keys=True, enc_hook=_other, order="sorted")
    return msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n"


def _other(value: Any) -> Any:
    if attrs.has(type(value)):
        return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return dict(value)
    return repr(value)
