"""Parts of a request: query parameters, forms with files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from crossdock.connection import Outgoing, Upload

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]


def flatten(params: Params | None) -> tuple[tuple[str, str], ...]:
    """Query parameters as text pairs: `None` is left out, lists repeat, booleans are lower case."""
    if not params:
        return ()
    pairs = params.items() if isinstance(params, Mapping) else params
    flat: list[tuple[str, str]] = []
    for name, value in pairs:
        several = value if isinstance(value, list | tuple) else (value,)
        flat.extend((name, _text(each)) for each in several if each is not None)
    return tuple(flat)


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def bearing(outgoing: Outgoing, token: str) -> Outgoing:
    """The request with an access token."""
    return attrs.evolve(outgoing, headers={**outgoing.headers, "Authorization": f"Bearer {token}"})


def _quoted(name: str) -> str:
    """A name as browsers write it in a form."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def multipart(upload: Upload, headers: Mapping[str, str] | None) -> tuple[bytes, dict[str, str]]:
    """The body of an upload, and the headers that go with it."""
    boundary = f"crossdock-{secrets.token_hex(16)}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'.encode()
        for name, value in upload.values.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(upload.field)}"; '
        f'filename="{_quoted(upload.name)}"\r\n'
        f"Content-Type: {upload.media_type}\r\n\r\n"
    )
    body = b"".join((*parts, head.encode(), upload.content, f"\r\n--{boundary}--\r\n".encode()))
    return body, {**(headers or {}), "Content-Type": f"multipart/form-data; boundary={boundary}"}
