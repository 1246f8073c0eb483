"""Masks secrets by value and by name, in every shape in which they could appear in text."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable, Mapping

MASK = "***"
_HEADERS = re.compile(r"authorization|cookie|secret|token|api-?key|password|signature", re.IGNORECASE)
_SHORTEST = 4  # shorter "secrets" would mask ordinary text everywhere


def _base64_cores(raw: bytes) -> Iterable[str]:
    """The parts of any base64 text that contain `raw` at whatever offset: three alignments, two alphabets."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        start = 0 if offset == 0 else offset + 1
        end = (offset + len(raw)) * 8 // 6
        core = encoded[start:end].decode()
        yield core
        yield core.replace("+", "-").replace("/", "_")


def variants(secret: str) -> set[str]:
    """The secret as it stands, url-encoded, JSON- and HTML-escaped, in hex and inside base64."""
    raw = secret.encode()
    found = {
        secret,
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote(secret),
        urllib.parse.quote_plus(secret),
        urllib.parse.quote(urllib.parse.quote(secret, safe=""), safe=""),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        html.escape(secret),
        raw.hex(),
        repr(secret)[1:-1],
        *_base64_cores(raw),
    }
    lowered = {re.sub("%[0-9A-F]{2}", lambda hit: hit.group().lower(), each) for each in found if "%" in each}
    return {each for each in found | lowered if len(each) >= _SHORTEST}


class Redactor:
    """Replaces every shape of the given secrets by stars; thread-safe, cheap when nothing matches."""

    def __init__(self, secrets: Iterable[str], secret_params: Iterable[str] = ()) -> None:
        shapes = sorted({shape for secret in secrets if secret for shape in variants(secret)}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, shapes))) if shapes else None
        names = [re.escape(name) for name in secret_params]
        self._params = re.compile(rf"([?&](?:{'|'.join(names)})=)[^&\s\"'>]*") if names else None

    def text(self, value: str) -> str:
        """`value` without secrets."""
        if self._pattern:
            value = self._pattern.sub(MASK, value)
        return self._params.sub(rf"\1{MASK}", value) if self._params else value

    def bytes(self, value: bytes) -> bytes:
        """`value` without secrets; bytes that are not UTF-8 survive."""
        return self.text(value.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers without secrets: credentials by name, everything else by value."""
        return {name: MASK if _HEADERS.search(name) else self.text(value) for name, value in headers.items()}
