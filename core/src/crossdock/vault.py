"""Secrets at rest: AES-256-GCM under a key from the environment or a key file, or references resolved at use.

A stored secret is ``enc:1:<key id>:<nonce and text>``; the connection's name and the field are authenticated with
it, so a value cannot be moved to another field. ``env:NAME`` and ``file:PATH`` are kept as they are and read when a
connection is opened.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from crossdock.errors import SettingsError
from crossdock.http.tokens import Token
from crossdock.session import Memory

KEY_VARIABLE = "CROSSDOCK_SECRET_KEY"
KEY_FILE = "crossdock.key"
_PREFIX = "enc:1:"
_TOKENS = "oauth token"


def new_key() -> str:
    """A fresh key as text."""
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


class Vault:
    """Encrypts and reveals the secrets of connections."""

    def __init__(self, key: bytes | None) -> None:
        self._key = key
        self._id = hashlib.sha256(key).hexdigest()[:8] if key else ""

    @classmethod
    def find(cls, home: Path) -> Vault:
        """The vault of a project folder: the key from the environment, else from the key file, else none."""
        text = os.environ.get(KEY_VARIABLE, "").strip()
        source = KEY_VARIABLE
        path = home / KEY_FILE
        if not text and path.is_file():
            text, source = _of_file(path), str(path)
        if not text:
            return cls(None)
        try:
            # Strict: the lenient decoder would skip foreign characters and make a key of what is left.
            key = base64.b64decode(text.encode(), altchars=b"-_", validate=True)
        except ValueError:
            key = b""
        if len(key) != 32:
            raise SettingsError(
                f"The key in {source} is no Crossdock key.",
                hint="Put the right one back. If it is lost, take this one away and run crossdock init, then enter the "
                "secrets again: crossdock connection edit",
            )
        return cls(key)

    @property
    def id(self) -> str:
        """By which keys are told apart, without saying anything about them; empty without a key."""
        return self._id

    @property
    def ready(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def seal(self, connection: str, field: str, secret: str) -> str:
        """The secret as the store keeps it; references stay references."""
        if is_reference(secret) or not secret:
            return secret
        key = self._need()
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(12)
        sealed = AESGCM(key).encrypt(nonce, secret.encode(), f"{connection}:{field}".encode())
        return f"{_PREFIX}{self._id}:{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def reveal(self, connection: str, field: str, stored: str) -> str:
        """The secret text; raises `SettingsError` when it cannot be had."""
        if stored.startswith("env:"):
            return _from_environment(connection, field, stored[4:])
        if stored.startswith("file:"):
            return _from_file(connection, field, Path(stored[5:]))
        if not stored.startswith(_PREFIX):
            return stored
        key = self._need()
        key_id, _, body = stored[len(_PREFIX) :].partition(":")
        if key_id != self._id:
            raise SettingsError(
                f"The secret {field} of {connection} was sealed with key {key_id}, but the key here is {self._id}.",
                hint=f"Restore the key file or {KEY_VARIABLE}, or enter the secret again: crossdock connection edit",
            )
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            raw = base64.b64decode(body.encode(), altchars=b"-_", validate=True)
            return AESGCM(key).decrypt(raw[:12], raw[12:], f"{connection}:{field}".encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SettingsError(
                f"The stored secret {field} of {connection} is damaged or belongs to another field.",
                hint="Enter it again: crossdock connection edit",
            ) from error

    def _need(self) -> bytes:
        if self._key is None:
            raise SettingsError(
                "There is no key to keep secrets with.",
                hint=f"Put {KEY_FILE} back, or set {KEY_VARIABLE} to the key of this project; a new project gets one "
                "by crossdock init.",
            )
        return self._key


def _of_file(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        raise SettingsError(
            f"The key in {path} cannot be read: {error.strerror}.",
            hint=f"Let whoever runs Crossdock own it (chown, chmod 600), or set {KEY_VARIABLE}.",
        ) from error


def sealed_with(stored: str) -> str:
    """The id of the key that a value is sealed with; empty for one that is not sealed."""
    return stored[len(_PREFIX) :].partition(":")[0] if stored.startswith(_PREFIX) else ""


def is_reference(value: str) -> bool:
    """Whether a value names a place where the secret is, instead of being it."""
    return value.startswith(("env:", "file:"))


def _from_environment(connection: str, field: str, name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"The secret {field} of {connection} is in the variable {name}, which is not set.")
    return value


def _from_file(connection: str, field: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(
            f"The secret {field} of {connection} is in the file {path}, which cannot be read: {reason}."
        ) from error


def masked(settings: Mapping[str, str], secrets: set[str]) -> dict[str, str]:
    """Settings for showing: secrets as stars, references as they are."""
    return {
        name: ("***" if value and not is_reference(value) else value) if name in secrets else value
        for name, value in settings.items()
    }


class SealedTokens:
    """The access token of a connection in its memory, sealed: `crossdock.http.tokens.TokenStore`."""

    def __init__(self, vault: Vault, memory: Memory, connection: str) -> None:
        self._vault = vault
        self._memory = memory
        self._connection = connection

    def load(self) -> Token | None:
        """The token that was kept last; one that cannot be read any more is none."""
        found = self._memory.get_many(_TOKENS, ["value", "renew_at", "origin"])
        try:
            value = self._vault.reveal(self._connection, _TOKENS, found["value"])
            return Token(value=value, renew_at=datetime.fromisoformat(found["renew_at"]), origin=found["origin"])
        except (KeyError, ValueError, SettingsError):
            return None

    def sealed_with(self) -> str:
        """The id of the key of whoever kept a token last; empty when there is none."""
        return sealed_with(self._memory.get_many(_TOKENS, ["value"]).get("value", ""))

    def save(self, token: Token) -> None:
        """Keep a token, if there is a key to seal it with."""
        if self._vault.ready:
            sealed = self._vault.seal(self._connection, _TOKENS, token.value)
            values = {"value": sealed, "renew_at": token.renew_at.isoformat(), "origin": token.origin}
            self._memory.put_many(_TOKENS, values)
