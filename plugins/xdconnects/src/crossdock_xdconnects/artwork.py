"""Whether XD will be able to fetch an artwork: by a public address that answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from crossdock import AccessError, Answer, Session, TransientError, UnsupportedError
from crossdock_xdconnects.settings import Settings, is_safe_address

_KINDS = frozenset(("pdf", "ai", "eps", "svg", "cdr", "png", "jpg", "jpeg", "tif", "tiff", "psd"))
_ASK: tuple[tuple[str, dict[str, str]], ...] = (
    ("HEAD", {}),
    ("GET", {"Range": "bytes=0-0"}),
)  # stores that sign addresses for GET refuse HEAD
_SECONDS = 20.0


def problems(session: Session[Settings], addresses: Iterable[str]) -> Iterator[str]:
    """A sentence for each address that XD could not use; the address itself may be a secret and is shown shortened."""
    for address in dict.fromkeys(addresses):
        problem = _problem(session, address)
        if problem:
            yield problem


def _problem(session: Session[Settings], address: str) -> str:
    if not address:
        return "A print has no artwork address."
    parts = urlsplit(address)
    shown = f"{parts.hostname or ''}{parts.path}"
    if not is_safe_address(address):
        return f"The artwork {shown} must have a public address that starts with https://."
    name = parts.path.rpartition("/")[2]
    if "." in name and name.rpartition(".")[2].lower() not in _KINDS:
        return f"The artwork {shown} is no artwork file: best are pdf, ai, eps and svg."
    try:
        answer = _asked(session, address)
    except (TransientError, AccessError, UnsupportedError):
        return f"The artwork {shown} cannot be reached, so XD could not fetch it either."
    if not 200 <= answer.status < 300:
        return f"The artwork {shown} cannot be fetched: its server answered {answer.status}."
    if answer.headers.get("content-type", "").lower().startswith("text/html"):
        return f"The artwork {shown} is a web page, not a file; perhaps one has to log in."
    return ""


def _asked(session: Session[Settings], address: str) -> Answer:
    for method, headers in _ASK:
        answer = session.http.request(
            method, address, anonymous=True, raw=True, attempts=2, timeout=_SECONDS,
            headers={"Accept": "*/*", **headers},
        )  # fmt: skip
        if answer.status not in (403, 405, 501):
            break
    return answer
