"""Personal data replaced by fakes of the same shape, the same fake for the same word wherever it stands.

What is personal is told by the names of the fields (in canonical records and in vendors' payloads) and, of e-mail
addresses, by their form. Letters become other letters, digits other digits, everything else stays: whatever breaks at
a length, an accent or a missing sign breaks again.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

KINDS = ("name", "email", "phone", "street", "identity", "note")
"""People and companies; addresses of mail; phone numbers; streets; VAT and bank numbers; what people wrote."""

_FIELDS = {
    "email": ("email", "mail", "mailaddress", "useremail"),
    "phone": ("phone", "mobile", "mobilephone", "telephone", "telefon", "cellphone", "fax", "tel", "phonesecondary"),
    "street": ("street", "street1", "street2", "street3", "address1", "address2", "address3", "addressline1",
               "addressline2", "addressline3", "additionalinfo", "streetname", "housenumber", "apartment", "building"),
    "name": ("firstname", "lastname", "surname", "fullname", "contactname", "contactperson", "recipient", "attention",
             "recipientname", "company", "companyname", "customername", "careof", "displayname", "username",
             "buyername", "companyattention", "yourreference", "cardholder", "nicename"),
    "identity": ("vatnumber", "taxid", "iban", "bic", "ssn", "personalnumber", "organisationnumber", "orgnumber",
                 "billingvatnumber", "customeripaddress", "ipaddress", "ip", "customeruseragent", "useragent"),
    "note": ("note", "notes", "customernote", "comment", "comments", "remark"),
}  # fmt: skip
_KIND_OF = {field: kind for kind, fields in _FIELDS.items() for field in fields}
_PEOPLE = re.compile(
    r"customer|billing|shipping|deliver|address|recipient|contact|buyer|invoice|party|shipto|consignee", re.IGNORECASE
)
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"(\s*:)?')
_WORD = re.compile(r"\w+")
_VOWELS, _CONSONANTS = "aeiou", "bcdfghjklmnpqrstvwxz"
_SHORTEST = 3
_DIGITS = 6
_PREFIXES = re.compile(r"^(?:billing|shipping|delivery|invoice|customer|contact|buyer|recipient)")


class Fakes:
    """The fakes of one bundle; `keep` are kinds that stay as they are. Another bundle gets other ones."""

    def __init__(self, keep: Collection[str] = ()) -> None:
        self._keep = frozenset(keep)
        self._words: dict[str, str] = {}
        self._values: dict[str, str] = {}
        self.replaced: set[str] = set()

    # -- learning ----------------------------------------------------------------------------------

    def learn(self, value: Any) -> None:
        """Find the personal data of a document: objects, lists and texts."""
        for kind, text in _personal(value, "", ""):
            self._learn(kind, text)

    def learn_text(self, text: str) -> None:
        """Find the personal data of a body: of JSON all, of any other text the addresses of mail."""
        try:
            self.learn(msgspec.json.decode(text))
        except (msgspec.MsgspecError, RecursionError):
            for found in _MAIL.findall(text):
                self._learn("email", found)

    def _learn(self, kind: str, text: str) -> None:
        if kind in self._keep or not text.strip():
            return
        if len(text) < _DIGITS and not any(map(str.isalpha, text)):
            return  # a house number by itself: replaced everywhere, it would change ids and amounts
        self.replaced.add(kind)
        self._values.setdefault(text, _WORD.sub(lambda found: self._word(found[0]), text))

    def _word(self, word: str) -> str:
        """The fake of a word; upper and lower case are kept."""
        known = self._words.setdefault(word.lower(), "".join(map(_letter, word.lower())))
        return "".join(fake.upper() if real.isupper() else fake for real, fake in zip(word, known, strict=False))

    # -- replacing ---------------------------------------------------------------------------------

    def document(self, value: Any) -> Any:
        """A document with fakes; the names of fields stay."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {name: self.document(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.document(each) for each in value]
        return value

    def body(self, text: str) -> str:
        """A body with fakes. Of JSON only texts are changed, so every number keeps its digits."""
        try:
            msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            return self.text(text)
        return _LITERAL.sub(self._literal, text)

    def _literal(self, found: re.Match[str]) -> str:
        if found[2] is not None:  # the name of a field
            return found[0]
        text = msgspec.json.decode(f'"{found[1]}"', type=str)
        fake = self.text(text)
        return found[0] if fake == text else msgspec.json.encode(fake).decode()

    def text(self, text: str) -> str:
        """A text with fakes: as a whole, or what it has of personal data in it."""
        if text in self._values:
            return self._values[text]
        if "email" not in self._keep:
            for mail in _MAIL.findall(text):
                self._learn("email", mail)
        for real in sorted(self._values, key=len, reverse=True):
            if len(real) >= _SHORTEST and real in text:
                text = re.sub(rf"(?<!\w){re.escape(real)}(?!\w)", lambda _, real=real: self._values[real], text)  # type: ignore[misc]
        return text


def _letter(char: str) -> str:
    if char.isdecimal() and char.isascii():
        return secrets.choice("123456789")
    if char in _VOWELS:
        return secrets.choice(_VOWELS)
    return secrets.choice(_CONSONANTS) if char in _CONSONANTS or char == "y" else char


def _personal(value: Any, field: str, parent: str) -> Iterator[tuple[str, str]]:
    """Kinds and texts of personal data in a document."""
    if isinstance(value, Mapping):
        person = bool(_PEOPLE.search(field)) or _looks_like_a_person(value)
        for name, each in value.items():
            if isinstance(each, str) and person and str(name).lower() == "name":
                yield "name", each
            else:
                yield from _personal(each, str(name), field)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _personal(each, field, parent)
    elif isinstance(value, str):
        kind = kind_of(field)
        if kind is not None:
            yield kind, value
        else:
            yield from (("email", found) for found in _MAIL.findall(value))


def kind_of(field: str) -> str | None:
    """Of which kind a field of this name is; `None` for one that is not personal."""
    bare = re.sub(r"[^a-z0-9]", "", field.lower())
    return _KIND_OF.get(bare) or _KIND_OF.get(_PREFIXES.sub("", bare))


def _looks_like_a_person(value: Mapping[Any, Any]) -> bool:
    kinds = {kind_of(str(name)) for name in value}
    return bool(kinds & {"email", "street", "phone"})
