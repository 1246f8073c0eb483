"""Settings: one declaration, every problem named at once, and secrets that cannot be shown by accident."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdock import Secret, SettingsError, setting
from crossdock.settings import build, fields_of


def _address(value: str) -> str | None:
    return None if value.startswith("https://") else "Shop address (url) must begin with https://."


@attrs.frozen(kw_only=True)
class Shop:
    url: str = setting("Shop address", help="The address customers use", check=_address)
    key: str = setting("Consumer key", where="WooCommerce > Settings")
    secret: Secret = setting("Consumer secret", where="shown once")
    pin: Secret | None = setting("Second secret", default=None)
    page_size: int = setting("Page size", default=100)
    hours: int = setting("Hours", default=0, within=(0, 48))
    tolerance: Decimal | None = setting("Tolerance", default=None)
    guests: bool = setting("Guests", default=True)
    order_start: datetime | None = setting("Order start", default=None)
    statuses: tuple[str, ...] = setting("Statuses", default=())
    channels: tuple[str, ...] = setting("Channels", default=(), choices=("web", "app"))
    mode: str = setting("Mode", default="test", choices=("test", "live"))


GOOD = {"url": "https://shop.example", "key": "ck_1", "secret": "cs_1"}
HIDDEN = "cs_7f3a91"


def problems(**changes: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        build(Shop, GOOD | changes)
    return caught.value.problems


# -- parsing -----------------------------------------------------------------------------------------


def test_what_is_not_given_has_its_default():
    assert build(Shop, GOOD) == Shop(url="https://shop.example", key="ck_1", secret=Secret("cs_1"))


def test_texts_become_the_declared_types():
    built = build(
        Shop,
        GOOD
        | {
            "page_size": "50",
            "tolerance": "0.05",
            "guests": "no",
            "order_start": "2026-01-31",
            "statuses": "processing, completed,,",
            "channels": "web,app",
            "mode": "live",
            "pin": "1234",
        },
    )

    assert (built.page_size, built.tolerance, built.guests) == (50, Decimal("0.05"), False)
    assert built.order_start == datetime(2026, 1, 31, tzinfo=UTC)
    assert built.statuses == ("processing", "completed")
    assert built.channels == ("web", "app")
    assert (built.mode, built.pin) == ("live", Secret("1234"))


@pytest.mark.parametrize(
    ("word", "value"), [("yes", True), ("ON", True), ("1", True), ("False", False), ("off", False)]
)
def test_yes_and_no_come_in_many_words(word, value):
    assert build(Shop, GOOD | {"guests": word}).guests is value


@pytest.mark.parametrize(
    ("typed", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31 12:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_a_time_without_offset_is_utc(typed, moment):
    assert build(Shop, GOOD | {"order_start": typed}).order_start == moment


def test_blanks_and_line_ends_around_a_pasted_value_are_left_out():
    built = build(Shop, {"url": " https://shop.example\n", "key": "\tck_1 ", "secret": " cs_1\r\n", "mode": " live "})

    assert (built.url, built.key, built.secret.reveal(), built.mode) == ("https://shop.example", "ck_1", "cs_1", "live")


# -- problems ----------------------------------------------------------------------------------------


def test_all_problems_are_listed_at_once_under_their_fields():
    found = problems(url="http://x", key="", secret=" \n", page_size="ten", guests="perhaps", mode="fast", colour="red")

    assert set(found) == {"url", "key", "secret", "page_size", "guests", "mode", "colour"}
    assert found["url"] == "Shop address (url) must begin with https://."
    assert found["key"] == "Consumer key (key) is missing."
    assert found["secret"] == "Consumer secret (secret) is missing."
    assert found["page_size"] == "Page size (page_size) must be a whole number."
    assert found["mode"] == "Mode (mode) must be one of test, live."
    assert "url, key, secret" in found["colour"]


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("page_size", "1.5"),
        ("page_size", "9" * 5000),
        ("tolerance", "12,50"),
        ("tolerance", "NaN"),
        ("tolerance", "Infinity"),
        ("guests", "maybe"),
        ("order_start", "31.01.2026"),
        ("order_start", "0001-01-01T00:00:00+14:00"),
        ("mode", "fast"),
        ("channels", "web,fax"),
    ],
)
def test_a_value_that_cannot_be_is_a_sentence_with_the_fields_label(name, typed):
    found = problems(**{name: typed})

    assert list(found) == [name]
    assert f"({name}) must be" in found[name]


@pytest.mark.parametrize(
    "link", ["https://onetimesecret.com/secret/abc", "https://eu.OneTimeSecret.com/private/x", "onetimesecret.com/s/1"]
)
def test_a_one_time_link_pasted_instead_of_the_secret_is_refused_with_that_reason(link):
    found = problems(secret=link)

    assert "one-time link" in found["secret"]
    assert "open the link once" in found["secret"]
    assert link not in found["secret"]


@given(typed=st.text(max_size=30), name=st.sampled_from([field.name for field in fields_of(Shop)]))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_is_typed_gives_settings_or_sentences_and_never_a_crash(typed, name):
    found: dict[str, str] = {}
    try:
        build(Shop, GOOD | {name: typed})
    except SettingsError as error:
        found = error.problems

    assert set(found) <= {name}


def test_a_type_that_no_form_can_ask_for_is_refused_when_the_class_is_read():
    @attrs.frozen(kw_only=True)
    class Strange:
        ratio: float = setting("Ratio")

    with pytest.raises(SettingsError, match="float"):
        fields_of(Strange)


# -- the declaration ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["-1", "49", "2.5", "many"])
def test_a_number_outside_of_its_bounds_is_refused_with_them(text):
    assert problems(hours=text) == {"hours": "Hours (hours) must be a whole number from 0 to 48."}


@pytest.mark.parametrize("text", ["0", "48"])
def test_the_bounds_of_a_number_are_allowed(text):
    assert build(Shop, {**GOOD, "hours": text}).hours == int(text)


def test_the_declaration_says_all_that_a_form_needs():
    by_name = {field.name: field for field in fields_of(Shop)}

    assert list(by_name) == [field.name for field in attrs.fields(Shop)]
    assert [field.name for field in by_name.values() if field.required] == ["url", "key", "secret"]
    assert [field.name for field in by_name.values() if field.secret] == ["secret", "pin"]
    assert (by_name["key"].label, by_name["key"].where) == ("Consumer key", "WooCommerce > Settings")
    assert by_name["mode"].choices == ("test", "live")
    assert (by_name["hours"].within, by_name["page_size"].within) == ((0, 48), None)
    assert [by_name[name].kind for name in ("url", "page_size", "tolerance", "guests", "order_start", "statuses")] == [
        "text", "number", "amount", "yes/no", "time", "list",
    ]  # fmt: skip


# -- secrets -----------------------------------------------------------------------------------------


def _attempts() -> list[str]:
    secret = Secret(HIDDEN)
    shop = Shop(url="https://shop.example", key="ck_1", secret=secret, pin=Secret(HIDDEN))
    return [
        str(secret), repr(secret), f"{secret}", f"{secret:>40}", f"{secret!s}{secret!r}{secret!a}", f"{secret}",
        "%s %r" % (secret, secret),  # noqa: UP031
        f"{[secret]}", f"{ {'a': secret} }", str(shop), repr(shop), f"{shop}",
        str(attrs.asdict(shop)), str(attrs.astuple(shop)),
    ]  # fmt: skip


@pytest.mark.parametrize("shown", _attempts())
def test_a_secret_is_not_shown_by_any_way_of_writing_it(shown):
    assert HIDDEN not in shown
    assert "***" in shown


def test_a_secret_is_shown_only_when_it_is_asked_for():
    assert Secret(HIDDEN).reveal() == HIDDEN


def test_a_secret_is_not_in_a_traceback_with_local_variables():
    secret = Secret(HIDDEN)
    shop = Shop(url="https://shop.example", key="ck_1", secret=secret)
    try:
        raise ValueError(f"cannot use {secret} of {shop}")
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert HIDDEN not in shown.replace(f'HIDDEN = "{HIDDEN}"', "")


def test_a_secret_is_not_in_a_log_line(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("settings %s %r", Secret(HIDDEN), {"secret": Secret(HIDDEN)})

    assert HIDDEN not in caplog.text


@pytest.mark.parametrize(
    "write", [pickle.dumps, json.dumps, msgspec.json.encode, copy.deepcopy], ids=lambda f: f.__name__
)
def test_a_secret_cannot_be_written_away_by_accident(write):
    with pytest.raises(TypeError):
        write(Secret(HIDDEN))


def test_a_bad_value_beside_a_secret_does_not_show_the_secret():
    with pytest.raises(SettingsError) as caught:
        build(Shop, GOOD | {"secret": HIDDEN, "page_size": "many"})

    assert HIDDEN not in str(caught.value) + repr(caught.value) + str(caught.value.problems)


def test_an_empty_secret_is_shown_as_empty_and_counts_as_missing():
    assert repr(Secret("")) == "Secret('')"
    assert not Secret("")


def test_secrets_are_equal_by_their_text_only():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
