"""Secrets at rest: sealed, bound to their place, never readable without the key."""

from __future__ import annotations

import base64

import pytest

from crossdock.errors import SettingsError
from crossdock.vault import KEY_FILE, KEY_VARIABLE, Vault, is_reference, masked, new_key

SECRET = "s3cret with ümlaut"


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    """No key in the environment."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def vault(tmp_path):
    """A vault with a key file."""
    (tmp_path / KEY_FILE).write_text(new_key() + "\n")
    return Vault.find(tmp_path)


def test_a_secret_comes_back_and_is_not_seen_in_what_is_stored(vault):
    sealed = vault.seal("shop", "token", SECRET)

    assert vault.reveal("shop", "token", sealed) == SECRET
    assert SECRET not in sealed
    assert base64.b64encode(SECRET.encode()).decode() not in sealed


def test_the_same_secret_is_sealed_differently_each_time(vault):
    assert vault.seal("shop", "token", SECRET) != vault.seal("shop", "token", SECRET)


@pytest.mark.parametrize("place", [("other", "token"), ("shop", "password")])
def test_a_sealed_secret_opens_only_in_its_place(vault, place):
    sealed = vault.seal("shop", "token", SECRET)

    with pytest.raises(SettingsError, match="damaged or belongs to another field"):
        vault.reveal(*place, sealed)


@pytest.mark.parametrize("damage", [lambda text: text[:-6], lambda text: text + "A===", lambda text: text[:16] + "!"])
def test_a_damaged_secret_is_said_to_be_damaged(vault, damage):
    with pytest.raises(SettingsError, match="damaged"):
        vault.reveal("shop", "token", damage(vault.seal("shop", "token", SECRET)))


def test_another_key_is_named_as_the_reason(vault, tmp_path):
    sealed = vault.seal("shop", "token", SECRET)
    (tmp_path / KEY_FILE).write_text(new_key())

    with pytest.raises(SettingsError, match=r"was sealed with key \w+, but the key here is") as raised:
        Vault.find(tmp_path).reveal("shop", "token", sealed)

    assert SECRET not in str(raised.value) + raised.value.hint


def test_the_environment_wins_over_the_file(vault, tmp_path, monkeypatch):
    sealed = vault.seal("shop", "token", SECRET)
    monkeypatch.setenv(KEY_VARIABLE, new_key())

    with pytest.raises(SettingsError, match="was sealed with key"):
        Vault.find(tmp_path).reveal("shop", "token", sealed)


def test_without_a_key_nothing_is_sealed(tmp_path):
    vault = Vault.find(tmp_path)

    assert not vault.ready
    with pytest.raises(SettingsError, match="no key to keep secrets with"):
        vault.seal("shop", "token", SECRET)


KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NO_KEYS = {
    "too short": "short",
    "a sentence": "no key at all, but quite some letters, 43",
    "cut off": KEY[:-1],
    "with spaces": " ".join(KEY),
    "no ascii": "é" * 44,
}


@pytest.mark.parametrize("text", NO_KEYS.values(), ids=list(NO_KEYS))
def test_a_text_that_is_no_key_is_refused_and_not_shown(tmp_path, text):
    (tmp_path / KEY_FILE).write_text(text)

    with pytest.raises(SettingsError, match="is no Crossdock key") as raised:
        Vault.find(tmp_path)

    assert "take this one away and run crossdock init" in raised.value.hint  # init keeps what is there

    assert text not in str(raised.value)


def test_a_key_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / KEY_FILE).write_bytes(b"\xff\xfe\x00" * 20)

    with pytest.raises(SettingsError, match="is no Crossdock key"):
        Vault.find(tmp_path)


def test_references_are_kept_and_read_when_they_are_needed(vault, tmp_path, monkeypatch):
    (tmp_path / "token").write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv("SHOP_TOKEN", SECRET)
    references = ["env:SHOP_TOKEN", f"file:{tmp_path / 'token'}"]

    assert [vault.seal("shop", "token", each) for each in references] == references
    assert [vault.reveal("shop", "token", each) for each in references] == [SECRET, SECRET]


def test_references_need_no_key(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", SECRET)

    assert Vault.find(tmp_path).reveal("shop", "token", "env:SHOP_TOKEN") == SECRET


@pytest.mark.parametrize(
    ("reference", "words"),
    [("env:NOT_SET_AT_ALL", "the variable NOT_SET_AT_ALL, which is not set"), ("file:/nowhere/x", "cannot be read")],
)
def test_a_reference_to_nothing_is_named(vault, reference, words):
    with pytest.raises(SettingsError, match=words):
        vault.reveal("shop", "token", reference)


def test_a_reference_to_a_file_that_is_no_text_is_named(vault, tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="it is no text"):
        vault.reveal("shop", "token", f"file:{tmp_path / 'token'}")


def test_an_empty_secret_stays_empty(vault):
    assert vault.seal("shop", "token", "") == ""


def test_settings_are_shown_without_their_secrets():
    settings = {"url": "https://x", "token": SECRET, "other": "env:X", "empty": ""}

    assert masked(settings, {"token", "other", "empty"}) == {
        "url": "https://x", "token": "***", "other": "env:X", "empty": "",
    }  # fmt: skip
    assert is_reference("env:X")
