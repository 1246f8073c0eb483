"""What an author chooses for a new connector, and what follows from it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping

import attrs

from crossdock.errors import UsageError

AUTHS: Mapping[str, str] = {
    "header": "a key in a header",
    "basic": "user and password (HTTP Basic)",
    "query": "a key in the query",
    "oauth": "OAuth2 client credentials",
    "signed": "each request signed (HMAC)",
}
PAGINGS: Mapping[str, str] = {
    "since": "by change time",
    "offset": "offset and limit, in a fixed order",
    "next-link": "each page names the next one's address",
    "token": "a token that stays good",
    "file": "everything in one file",
    "pages": "numbered pages, in whatever order",
}
WEBHOOKS: Mapping[str, str] = {
    "none": "no webhooks",
    "signed": "signed webhooks; a person enters the address at the vendor",
    "registers": "signed webhooks that are registered through the API",
}
STREAMS = ("orders", "products", "balance")
WRITES = ("orders", "shipments", "products", "prices", "balance")

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 30
_LONGEST_TITLE = 40
_PATHS = {"balance": "stock"}
_RECORDS = {"orders": "Order", "products": "Product", "prices": "Price", "balance": "Balance"}


@attrs.frozen(kw_only=True)
class Choices:
    """A new connector as its author wants it; raises `UsageError` for what cannot be.

    `streams` and `writes` are put into the order in which the records are described everywhere.
    """

    name: str
    title: str = ""
    auth: str = "header"
    paging: str = "since"
    webhooks: str = "none"
    streams: tuple[str, ...] = ("orders",)
    writes: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        _check_name(self.name)
        _check("auth", (self.auth,), tuple(AUTHS))
        _check("paging", (self.paging,), tuple(PAGINGS))
        _check("webhooks", (self.webhooks,), tuple(WEBHOOKS))
        _check("streams", self.streams, STREAMS)
        _check("writes", self.writes, WRITES)
        if not self.streams:
            raise UsageError("A connector reads one stream at least.", hint=f"--streams takes {', '.join(STREAMS)}.")
        if '"' in self.title or "\\" in self.title or not self.title.isprintable():
            raise UsageError(
                "The title has a quotation mark or another sign that cannot stand in code.", hint="Leave it out."
            )
        if len(self.title.strip()) > _LONGEST_TITLE:
            raise UsageError(f"The title is longer than {_LONGEST_TITLE} characters.", hint="Take a shorter one.")
        set_ = object.__setattr__
        set_(self, "title", self.title.strip() or self.name.replace("_", " ").title())
        set_(self, "streams", tuple(each for each in STREAMS if each in self.streams))
        set_(self, "writes", tuple(each for each in WRITES if each in self.writes))

    @property
    def distribution(self) -> str:
        """What is installed: ``crossdock-acme``."""
        return f"crossdock-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What is imported: ``crossdock_acme``."""
        return f"crossdock_{self.name}"

    @property
    def twin(self) -> str:
        """The name of the sandbox's class: ``Acme``."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def header(self) -> str:
        """How the headers of the made-up system begin: ``X-Acme``."""
        return "X-" + "-".join(part.capitalize() for part in self.name.split("_"))

    @property
    def lists(self) -> tuple[str, ...]:
        """The streams of which the system has rows: those that are read, and those that are written."""
        touched = {*self.streams, *self.writes} | ({"orders"} if "shipments" in self.writes else set())
        return tuple(each for each in _RECORDS if each in touched)

    @property
    def articles(self) -> tuple[str, ...]:
        """The streams among `writes` of which many values are written at a time."""
        return tuple(each for each in ("products", "prices", "balance") if each in self.writes)

    @property
    def whole(self) -> bool:
        """Whether each run reads everything."""
        return self.paging in ("offset", "next-link", "pages")

    def path(self, stream: str) -> str:
        """The path of a stream's list."""
        return _PATHS.get(stream, stream)

    def record(self, stream: str) -> str:
        """The class of a stream's records."""
        return _RECORDS[stream]

    def row(self, stream: str) -> str:
        """The class of a stream's rows in `wire`."""
        return {"balance": "Stock"}.get(stream, _RECORDS[stream])


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{name!r} cannot be the name of a connector.",
            hint=f"Take the vendor's name in small letters, such as acme or acme_shop, {_LONGEST} characters at most.",
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"{name!r} is a word of Python.", hint=f"Take another name, such as {name}_shop.")
    if name == "local":
        raise UsageError("crossdock_local is a project's own plugin.", hint="Take the vendor's name.")


def _check(option: str, chosen: tuple[str, ...], offered: tuple[str, ...]) -> None:
    unknown = [each for each in chosen if each not in offered]
    if unknown:
        raise UsageError(f"--{option} cannot be {unknown[0]!r}.", hint=f"There are: {', '.join(offered)}.")
