"""One declaration of a connector's settings gives prompts, validation, the form and the documentation.

    @attrs.frozen(kw_only=True)
    class Settings:
        url: str = setting("Shop address", help="The address customers use, for example https://shop.example")
        consumer_key: str = setting("Consumer key", where="WooCommerce > Settings > Advanced > REST API")
        consumer_secret: Secret = setting("Consumer secret", where="shown once, when the key is made")
        order_start: datetime | None = setting("Order start", default=None, help="Older orders stay out")

Allowed types: `str`, `int`, `bool`, `Decimal`, `datetime`, `Secret`, `tuple[str, ...]`, each also ``| None``.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from crossdock.errors import SettingsError

S = TypeVar("S")
_MISSING: Any = object()
_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}


class Secret:
    """A value that is never shown: `repr`, `str` and formatting give stars; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret text; only the HTTP layer and signature checks need it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')" if self._text else "Secret('')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return str(self)

    def __reduce__(self) -> Any:
        raise TypeError("A secret is not pickled.")


def setting(
    label: str,
    *,
    help: str = "",
    where: str = "",
    default: Any = _MISSING,
    check: Callable[[str], str | None] | None = None,
    choices: tuple[str, ...] = (),
    within: tuple[int, int] | None = None,
    fact: str = "",
) -> Any:
    """Declare one setting.

    `where` tells where a person finds the value; `check` gets the text and answers a sentence if it cannot be right
    (a one-time link pasted instead of the secret); `choices` are the only allowed values; `within` are the least and
    the greatest number; `fact` names a fact of `verify` that lists choices (warehouses, sales channels).
    """
    metadata = {"label": label, "help": help, "where": where, "check": check, "choices": choices, "within": within,
                "fact": fact}  # fmt: skip
    if default is _MISSING:
        return attrs.field(metadata=metadata)
    return attrs.field(default=default, metadata=metadata)


@attrs.frozen
class SettingField:
    """What a prompt, a form or the documentation needs to know of one setting. `kind` is the type's short name."""

    name: str
    kind: str
    required: bool
    default: Any
    label: str
    help: str
    where: str
    choices: tuple[str, ...]
    within: tuple[int, int] | None
    fact: str
    check: Callable[[str], str | None] | None

    @property
    def secret(self) -> bool:
        """Whether the value must never be shown."""
        return self.kind == "secret"


_KINDS: dict[Any, str] = {
    str: "text", int: "number", bool: "yes/no", Decimal: "amount", datetime: "time", Secret: "secret",
}  # fmt: skip


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
    if typing.get_origin(annotation) is tuple:
        return "list"
    kind = _KINDS.get(annotation)
    if kind is None:
        raise SettingsError(f"A setting cannot have the type {annotation!r}.")
    return kind


def fields_of(settings: type[Any]) -> tuple[SettingField, ...]:
    """The settings of a settings class in declaration order."""
    hints = typing.get_type_hints(settings)
    return tuple(_fields(settings, hints))


def _fields(settings: type[Any], hints: Mapping[str, Any]) -> Iterator[SettingField]:
    for field in attrs.fields(settings):
        meta = field.metadata
        yield SettingField(
            name=field.name,
            kind=_kind(hints[field.name]),
            required=field.default is attrs.NOTHING,
            default=None if field.default is attrs.NOTHING else field.default,
            label=meta.get("label", field.name),
            help=meta.get("help", ""),
            where=meta.get("where", ""),
            choices=meta.get("choices", ()),
            within=meta.get("within"),
            fact=meta.get("fact", ""),
            check=meta.get("check"),
        )


def build(settings: type[S], values: Mapping[str, str]) -> S:
    """The settings object from text values; raises `SettingsError` naming every bad, missing or unknown field."""
    problems: dict[str, str] = {}
    built: dict[str, Any] = {}
    known = {field.name: field for field in fields_of(settings)}
    for name in values.keys() - known.keys():
        problems[name] = f"There is no setting {name!r}; there are: {', '.join(known)}."
    for name, field in known.items():
        text = values.get(name, "").strip()
        if text == "":
            if field.required:
                problems[name] = f"{field.label} ({name}) is missing."
            continue
        problem = _problem(field, text)
        if problem:
            problems[name] = problem
            continue
        try:
            built[name] = _parse(field, text)
        except (ValueError, ArithmeticError):
            problems[name] = f"{field.label} ({name}) must be {_expected(field)}."
    if problems:
        raise SettingsError(" ".join(problems.values()), problems=problems)
    return settings(**built)


def _problem(field: SettingField, text: str) -> str | None:
    if field.secret and "onetimesecret" in text.lower():
        return (
            f"{field.label} ({field.name}) is a one-time link, not the secret behind it: "
            "open the link once, copy the secret it shows and enter that."
        )
    chosen = _several(text) if field.kind == "list" else (text,)
    if field.choices and not set(chosen) <= set(field.choices):
        return f"{field.label} ({field.name}) must be one of {', '.join(field.choices)}."
    return field.check(text) if field.check else None


def _parse(field: SettingField, text: str) -> Any:
    match field.kind:
        case "secret":
            return Secret(text)
        case "number":
            return _number(text, field.within)
        case "amount":
            return _amount(text)
        case "yes/no":
            return _boolean(text)
        case "time":
            return parse_time(text)
        case "list":
            return _several(text)
        case _:
            return text


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _number(text: str, within: tuple[int, int] | None) -> int:
    number = int(text)
    if within is not None and not within[0] <= number <= within[1]:
        raise ValueError(text)
    return number


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(text)
    return amount


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered in _YES:
        return True
    if lowered in _NO:
        return False
    raise ValueError(text)


def parse_time(text: str) -> datetime:
    """A date or time a person typed, as aware UTC; without an offset it is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _expected(field: SettingField) -> str:
    if field.within is not None:
        return "a whole number from {} to {}".format(*field.within)
    return {
        "number": "a whole number",
        "amount": "an amount such as 12.50",
        "yes/no": "yes or no",
        "time": "a date or time such as 2026-01-31 or 2026-01-31T12:00:00Z",
    }.get(field.kind, "text")


_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def check_name(name: str, others: Iterable[str] = ()) -> None:
    """Refuse a name that would not do in keys, URLs and file names, or beside `others`.

    Idempotency keys are "connection-record", so ``shop`` and ``shop-2`` could name the same one.
    """
    if not name or not set(name) <= _NAME or len(name) > 40:
        raise SettingsError(f"{name!r} is no usable name: take up to 40 letters, digits, - and _.")
    for other in others:
        if name.startswith(f"{other}-") or other.startswith(f"{name}-"):
            raise SettingsError(
                f"The names {name} and {other} would make the same keys for different records.",
                hint=f"Take another name, for example {name.replace('-', '_')}."
                if "-" in name
                else "Take another name.",
            )
