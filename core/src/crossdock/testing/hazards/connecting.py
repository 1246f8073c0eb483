"""Hazards of connections: settings that nobody understands, verify that proves nothing or writes something."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from crossdock.errors import CrossdockError, SettingsError
from crossdock.session import Check
from crossdock.settings import SettingField, build, fields_of
from crossdock.testing.hazards.hazard import Finding, NotApplicable, always, hazard, needs, several
from crossdock.testing.stage import Stage

_READS = ("GET", "HEAD", "OPTIONS")
_STATES = ("ok", "warn", "fail", "skipped")
_SECRET = re.compile(r"(secret|token|password|passwd|passphrase|api_?key|private_?key)$", re.IGNORECASE)
_LINK = "https://onetimesecret.com/secret/0123456789abcdef"


def _checks(stage: Stage, **values: str) -> list[Check]:
    return list(stage.connector.verify(stage.connect(**values)))


@hazard(
    "verify-writes-something", "bronze",
    "Somebody only looks whether a connection works, and a test order stands in the shop.",
    needs("verify"),
)  # fmt: skip
def writes_nothing(stage: Stage) -> None:
    """Verify is green, and the system is as it was."""
    before = _state(stage)
    begun = len(stage.requests())
    checks = _checks(stage)
    red = [f"{each.name}: {each.detail}" for each in checks if each.state == "fail"]
    if red or not checks:
        raise Finding(f"Verify is not green on its own sandbox: {'; '.join(red) or 'it has no step'}")
    asked = stage.requests()[begun:]
    grant = stage.info.endpoint(stage.session.settings).token
    login = urlsplit(grant.url).path if grant else ""
    writing = [each for each in asked if each["method"] not in _READS and each["path"] != login]
    if writing and _state(stage) != before:
        told = several(f"{each['method']} {each['path']}" for each in writing)
        raise Finding(f"Verify changed the system ({told}).")
    if not asked:
        raise Finding("Verify is green and asked nothing.")


def _state(stage: Stage) -> bytes:
    with stage.sandbox.lock:
        return msgspec.json.encode(stage.sandbox.state(), order="deterministic")


@hazard(
    "verify-without-steps", "silver",
    "Something is red, and nobody can see what was tried and what to do about it.",
    needs("verify"),
)  # fmt: skip
def named_steps(stage: Stage) -> None:
    """Each step has a name of its own and a known state; with the system down the red one says what to do."""
    checks = _checks(stage)
    names = [each.name for each in checks]
    if not all(name.strip() for name in names) or len(names) != len(set(names)):
        raise Finding(f"Steps need names of their own: {names}")
    strange = [each for each in checks if each.state not in _STATES]
    if strange:
        raise Finding(f"The step {strange[0].name} is {strange[0].state!r}; states are {', '.join(_STATES)}.")
    stage.forget()  # what it kept of the green one would do for the next
    stage.sandbox.fault("status", status=403, times=10_000, body='{"message": "Not allowed."}')
    _demand_red(_checks(stage), "when the system answers 403")


def _demand_red(checks: list[Check], when: str) -> None:
    red = [each for each in checks if each.state == "fail"]
    if not red:
        raise Finding(f"Verify is not red {when}: {'; '.join(f'{each.name} {each.state}' for each in checks)}")
    if not any(each.hint.strip() for each in red):
        raise Finding(f"The red step {red[0].name!r} does not say what to do {when}: {red[0].detail}")


def _other(text: str) -> str:
    """A text of the same shape: other letters and digits."""
    turned = {"z": "y", "Z": "Y", "9": "8"}
    return "".join(turned.get(each, chr(ord(each) + 1)) if each.isascii() and each.isalnum() else each for each in text)


@hazard(
    "wrong-credentials", "bronze",
    "A mistyped secret is green, and the first order fails at night.",
    needs("verify"),
)  # fmt: skip
def wrong_credentials(stage: Stage) -> None:
    """With other secrets verify has a red step that says what to do, or the settings are refused at once."""
    given = stage.values
    wrong = {
        name: given[name][:-4] + _other(given[name][-4:]) for name in _credentials(stage) if given.get(name)
    }  # fmt: skip
    if not wrong:
        raise NotApplicable("A connection to its sandbox has no secret.")
    try:
        checks = _checks(stage, **wrong)
    except SettingsError:
        return
    except CrossdockError as error:
        raise Finding(f"Instead of a red step verify ended with {type(error).__name__}: {error}") from error
    _demand_red(checks, f"with a wrong {', '.join(wrong)}")


def _credentials(stage: Stage) -> list[str]:
    """Settings that are secret, and texts that are called so."""
    return [each.name for each in _fields(stage) if each.secret or (each.kind == "text" and _SECRET.search(each.name))]


def _fields(stage: Stage) -> tuple[SettingField, ...]:
    return fields_of(stage.info.settings)


@hazard(
    "setting-without-a-word", "gold",
    "A field of the form is called like a variable, and people guess what to enter.",
    always,
)  # fmt: skip
def settings_explained(stage: Stage) -> None:
    """Every setting has a label, and a help, a place where its value is found, or choices."""
    for field in _fields(stage):
        if not field.label.strip() or field.label == field.name:
            raise Finding(f"The setting {field.name} has no label.")
        if not (field.help.strip() or field.where.strip() or field.choices or field.fact):
            raise Finding(f"The setting {field.name} says neither what it is (help) nor where it is found (where).")


@hazard(
    "secret-in-the-clear", "bronze",
    "A password is an ordinary text: stored readable, shown in lists, exported and sent to colleagues.",
    always,
)  # fmt: skip
def secrets_are_secret(stage: Stage) -> None:
    """A setting that is called like a secret is a `Secret`, and settings show none."""
    for field in _fields(stage):
        if _SECRET.search(field.name) and field.kind == "text":
            raise Finding(f"The setting {field.name} is a text; make it a Secret.")
    given = stage.values
    shown = repr(build(stage.info.settings, given))
    if any(given.get(field.name) and given[field.name] in shown for field in _fields(stage) if field.secret):
        raise Finding(f"Settings show their secrets: {shown[:80]}…")


@hazard(
    "link-instead-of-secret", "silver",
    "Somebody pastes the one-time link that was mailed instead of the secret behind it, and the link is used up.",
    always,
)  # fmt: skip
def link_pasted(stage: Stage) -> None:
    """A link is refused at once for every credential, with a reason."""
    given = stage.values
    credentials = _credentials(stage)
    if not credentials:
        raise NotApplicable("It has no secret.")
    for name in credentials:
        try:
            build(stage.info.settings, {**given, name: _LINK})
        except SettingsError as error:
            if name not in error.problems:
                raise Finding(f"A link as {name} is refused for another reason: {error}") from error
        else:
            raise Finding(f"A one-time link is taken for the secret {name}.")


HAZARDS = (
    writes_nothing, named_steps, wrong_credentials, settings_explained, secrets_are_secret, link_pasted,
)  # fmt: skip
