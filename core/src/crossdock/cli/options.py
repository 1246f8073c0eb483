"""Kinds of values that several commands take."""

from __future__ import annotations

from typing import Any

import click

LARGEST = 2**63 - 1
"""No database counts further, and SQLite breaks when it is asked for more."""
DIGITS = len(str(LARGEST))
MOST = 1_000_000
"""More lines than that nobody wants to see."""


class Number(click.types.IntParamType):
    """The number of something that is counted here, with or without the letter that lists put before it."""

    def __init__(self, letter: str = "") -> None:
        self._letter = letter

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or a sentence."""
        text = str(value).upper().removeprefix(self._letter)
        if not (text.isdecimal() and text.isascii()) or len(text) > DIGITS or not 0 < int(text) <= LARGEST:
            also = f" or {self._letter}17" if self._letter else ""
            self.fail(f"{value!r} is no number such as 17{also}.", param, ctx)
        return int(text)
