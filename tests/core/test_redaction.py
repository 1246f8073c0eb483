"""Secrets appear nowhere, in whatever shape they come back."""

from __future__ import annotations

import base64
import html
import json
import string
import urllib.parse

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossdock.http.redact import MASK, Redactor

SPECIAL = "/+=&%? \"'\\<>#:;@!*()[]{}~$,._-\n\täéß€漢😀"
secrets = st.text(st.sampled_from(string.ascii_letters + string.digits + SPECIAL * 2), min_size=8, max_size=40).filter(
    lambda text: sum(char.isascii() and char.isalnum() for char in text) >= 4
)
surroundings = st.text(st.sampled_from(string.ascii_letters + string.digits + " ,:/?=&"), max_size=12)

SHAPES = {
    "raw": str,
    "url-encoded": lambda text: urllib.parse.quote(text, safe=""),
    "url-encoded path": urllib.parse.quote,
    "url-encoded, lower case": lambda text: _lower_percent(urllib.parse.quote(text, safe="")),
    "url-encoded by a browser": lambda text: urllib.parse.quote(text, safe="!'()*"),
    "url-encoded twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "form": urllib.parse.quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "JSON of .NET": lambda text: _dotnet(text),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "repr": lambda text: repr(text)[1:-1],
    "repr of bytes": lambda text: repr(text.encode())[2:-1],
    "HTML": html.escape,
    "HTML, numbered": lambda text: "".join(char if char.isalnum() else f"&#{ord(char)};" for char in text),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
}


def _lower_percent(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join("%" + part[:2].lower() + part[2:] for part in parts[1:])


def _dotnet(text: str) -> str:
    def escape(char: str) -> str:
        if char.isascii() and (char.isalnum() or char in " ,.-_/:;()[]{}!*=?@#$%~"):
            return char
        if char == "\\":
            return "\\\\"
        units = char.encode("utf-16-be").hex().upper()
        return "".join("\\u" + units[at : at + 4] for at in range(0, len(units), 4))

    return "".join(map(escape, text))


@pytest.mark.parametrize("shape", SHAPES)
@given(secret=secrets, before=surroundings, after=surroundings)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_a_secret_is_masked_in_every_shape(shape, secret, before, after):
    planted = SHAPES[shape](secret)
    assume(planted not in before + after)

    masked = Redactor([secret]).text(f"{before}{planted}{after}")

    assert planted not in masked
    assert secret not in masked
    assert MASK in masked


@given(
    secret=secrets,
    user=st.text(st.sampled_from(string.ascii_letters), max_size=9),
    tail=st.text(st.sampled_from(string.ascii_letters), max_size=5),
    safe=st.booleans(),
    quoted=st.booleans(),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_secret_inside_base64_is_masked_at_every_alignment(secret, user, tail, safe, quoted):
    encode = base64.urlsafe_b64encode if safe else base64.b64encode
    token = encode(f"{user}:{secret}{tail}".encode()).decode()
    shown = urllib.parse.quote(token, safe="") if quoted else token

    masked = Redactor([secret]).text(f"Authorization: Basic {shown}")

    left = urllib.parse.unquote(masked).removeprefix("Authorization: Basic ").replace(MASK, "").rstrip("=")
    # What stays are the user, the tail and at most a character at each border that holds bits of both.
    assert len(left) <= len(base64.b64encode(f"{user}:{tail}".encode())) + 4
    assert shown not in masked


@given(text=st.text(max_size=200))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_ordinary_text_survives(text):
    assert Redactor(["ck_0123456789abcdef", "p@ss/word+1"]).text(text) == text


@given(raw=st.binary(max_size=200))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_bytes_that_are_no_text_survive(raw):
    assert Redactor(["ck_0123456789abcdef"]).bytes(raw) == raw


def test_text_around_a_secret_survives():
    masked = Redactor(["s3cr3t/+key"]).text('{"url": "https://shop.example?key=s3cr3t%2F%2Bkey&page=2"}')

    assert masked == f'{{"url": "https://shop.example?key={MASK}&page=2"}}'


def test_a_secret_that_contains_another_is_masked_whole():
    masked = Redactor(["abcd1234", "abcd1234-and-more"]).text("got abcd1234-and-more")

    assert masked == f"got {MASK}"


def test_very_short_and_empty_secrets_do_not_mask_ordinary_text():
    assert Redactor(["", "a", "abc"]).text("abc a alphabet") == "abc a alphabet"


def test_without_secrets_nothing_changes():
    assert Redactor([]).text("all of it?a=1") == "all of it?a=1"


def test_named_parameters_are_masked_whatever_their_value():
    masked = Redactor([], ["oauth_signature", "sig.x"]).text(
        "https://a.example/x?oauth_signature=q%2Bw&b=1&sig.x=9 end"
    )

    assert masked == f"https://a.example/x?oauth_signature={MASK}&b=1&sig.x={MASK} end"


def test_credential_headers_are_masked_by_name_and_others_by_value():
    masked = Redactor(["topsecret"]).headers(
        {"Authorization": "Bearer x", "X-Api-Key": "y", "Set-Cookie": "z", "X-Note": "is topsecret", "Accept": "json"}
    )

    assert masked == {
        "Authorization": MASK,
        "X-Api-Key": MASK,
        "Set-Cookie": MASK,
        "X-Note": f"is {MASK}",
        "Accept": "json",
    }
