"""Parameter checks of single endpoints, with WordPress' own error texts. ``/batch`` items skip them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from crossdock_woocommerce.sandbox.wire import ApiError, Json

__all__ = ["Rule", "Schema", "validate"]

Rule = Callable[[str, Any], Any]
Schema = Mapping[str, Rule]


class Invalid(Exception):
    """One parameter is refused; `name` is the path inside it that the message speaks of."""

    def __init__(self, code: str, message: str, data: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


def validate(params: Json, schema: Schema, required: Sequence[str] = ()) -> Json:
    """`params` with the known ones checked and converted; unknown ones are kept and ignored later.

    Raises:
        ApiError: 400 ``rest_invalid_param`` naming every bad parameter, or ``rest_missing_callback_param``.
    """
    missing = [name for name in required if name not in params]
    if missing:
        raise ApiError(
            "rest_missing_callback_param", f"Missing parameter(s): {', '.join(missing)}", 400, {"params": missing}
        )
    checked = dict(params)
    faults: dict[str, Invalid] = {}
    for name, rule in schema.items():
        if name in params:
            try:
                checked[name] = rule(name, params[name])
            except Invalid as fault:
                faults[name] = fault
    if faults:
        raise ApiError(
            "rest_invalid_param",
            f"Invalid parameter(s): {', '.join(faults)}",
            400,
            {
                "params": {name: fault.message for name, fault in faults.items()},
                "details": {
                    name: {"code": fault.code, "message": fault.message, "data": fault.data}
                    for name, fault in faults.items()
                },
            },
        )
    return checked


def _wrong_type(name: str, kind: str) -> Invalid:
    return Invalid("rest_invalid_type", f"{name} is not of type {kind}.", {"param": name})


def integer(minimum: int | None = None, maximum: int | None = None) -> Rule:
    """A whole number within bounds; ``"7"`` and ``7.0`` are whole."""

    def rule(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float | str) or not _whole(value):
            raise _wrong_type(name, "integer")
        number = int(float(value)) if isinstance(value, str) else int(value)
        if minimum is not None and maximum is not None and not minimum <= number <= maximum:
            text = f"{name} must be between {minimum} (inclusive) and {maximum} (inclusive)"
            raise Invalid("rest_out_of_bounds", text)
        if minimum is not None and number < minimum:
            raise Invalid("rest_out_of_bounds", f"{name} must be greater than or equal to {minimum}")
        return number

    return rule


def _whole(value: float | str) -> bool:
    try:
        return float(value) == int(float(value))
    except (ValueError, OverflowError):
        return False


def boolean(name: str, value: Any) -> bool:
    """True, false, 1, 0 and their texts."""
    if isinstance(value, str) and value.lower() in ("true", "false", "1", "0", ""):
        return value.lower() in ("true", "1")
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise _wrong_type(name, "boolean")


def string(name: str, value: Any) -> str:
    """Text and nothing else: a price as a number is refused here."""
    if not isinstance(value, str):
        raise _wrong_type(name, "string")
    return value


def _words(values: Sequence[str]) -> str:
    return f"{', '.join(values[:-1])}, and {values[-1]}"


def one_of(*values: str) -> Rule:
    """One of the listed words."""

    def rule(name: str, value: Any) -> str:
        if value not in values:
            raise Invalid("rest_not_in_enum", f"{name} is not one of {_words(values)}.")
        return str(value)

    return rule


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list):
        return value
    return [each for each in re.split(r"[\s,]+", str(value)) if each]


def many_of(*values: str) -> Rule:
    """A list, or words between commas, each one of the listed words."""
    single = one_of(*values)

    def rule(name: str, value: Any) -> list[str]:
        return [single(f"{name}[{index}]", each) for index, each in enumerate(_listed(value))]

    return rule


def id_list(name: str, value: Any) -> list[int]:
    """Identifiers as a list or between commas."""
    single = integer()
    return [single(f"{name}[{index}]", each) for index, each in enumerate(_listed(value))]


def strings(name: str, value: Any) -> list[str]:
    """Words as a list or between commas."""
    return [str(each) for each in _listed(value)]


_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}(:\d{2})?)?$")


def date_time(name: str, value: Any) -> str:
    """A date with a time; a date alone is refused (vendor page section 0.3, measured)."""
    if isinstance(value, str) and _DATE.match(value):
        try:
            datetime.fromisoformat(value.upper())
        except ValueError:
            pass
        else:
            return value.upper()
    raise Invalid("rest_invalid_date", "Invalid date.")


def array(name: str, value: Any) -> list[Any]:
    """A JSON list."""
    if not isinstance(value, list):
        raise _wrong_type(name, "array")
    return value


def address(name: str, value: Any) -> Json:
    """A billing or shipping address, whose ``email`` must look like one or be empty."""
    if not isinstance(value, dict):
        raise _wrong_type(name, "object")
    email = value.get("email", "")
    if email and not re.match(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", str(email)):
        raise Invalid("rest_invalid_email", "Invalid email address.")
    for field, inner in value.items():
        if not isinstance(inner, str):
            raise _wrong_type(f"{name}[{field}]", "string")
    return value


def items(strings_of: Sequence[str], integers: Sequence[str]) -> Rule:
    """A list of objects whose named fields are text or whole numbers."""
    whole = integer()

    def rule(name: str, value: Any) -> list[Any]:
        for index, each in enumerate(array(name, value)):
            if not isinstance(each, dict):
                raise _wrong_type(f"{name}[{index}]", "object")
            for field in strings_of:
                if each.get(field) is not None:
                    string(f"{name}[{index}][{field}]", each[field])
            for field in integers:
                if each.get(field) is not None:
                    whole(f"{name}[{index}][{field}]", each[field])
        return list(value)

    return rule
