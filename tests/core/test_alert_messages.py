"""How people are told: by mail and webhook, sent once, never in the way, and who is told is decided in the file."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from alert_kit import PASSWORD, by_mail, decide, mail_server, pause, receiving

from crossdock.alerts.settings import AlertSettings
from crossdock.alerts.turn import look, settings_of, try_channels
from crossdock.app import App
from crossdock.caretaker import Caretaker
from crossdock.errors import SettingsError


@pytest.fixture
def server(sqlite_files):
    """Nothing here depends on the kind of database."""
    return sqlite_files


@pytest.fixture
def mail(tmp_path, monkeypatch):
    """A mail server, and its password in the environment."""
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    with mail_server(tmp_path) as made:
        yield made


@pytest.fixture
def receiver():
    """An address for alerts."""
    with receiving() as made:
        yield made


# -- how it is told --------------------------------------------------------------------------------


def test_an_email_goes_over_tls_with_a_login_and_says_what_to_do(world, mail):
    decide(world, email=by_mail(mail))
    pause(world)

    turned = look(world.app)

    (message,) = mail.mails
    assert (turned.sent, turned.failed, mail.plain_logins) == (1, [], 0)
    assert (message["To"], message["Subject"]) == ("ops@example.com", f"Crossdock {world.app.home.name}: 1 new")
    assert "crossdock connection verify shop" in message.get_payload()
    assert message["Message-ID"].endswith("@example.com>")


def test_a_webhook_gets_the_same_as_json(world, receiver, monkeypatch):
    monkeypatch.setenv("ALERT_TOKEN", "bearer-4711")
    decide(world, webhook={"url": receiver.url, "token": "env:ALERT_TOKEN"})
    pause(world)

    look(world.app)

    ((headers, body),) = receiver.taken
    assert headers["authorization"] == "Bearer bearer-4711"
    assert headers["idempotency-key"] == body["id"]
    assert [(each["kind"], each["subject"], each["state"]) for each in body["alerts"]] == [("paused", "shop", "raised")]
    assert "The connection shop is paused" in body["text"]


def test_many_alerts_at_once_are_one_message(world, receiver):
    decide(world, webhook={"url": receiver.url})
    pause(world, "shop")
    pause(world, "erp")

    look(world.app)

    assert [len(body["alerts"]) for _, body in receiver.taken] == [2]


def test_a_message_that_is_not_taken_waits_survives_a_restart_and_is_sent_once(world, receiver):
    decide(world, webhook={"url": receiver.url})
    pause(world)
    receiver.status = 500
    assert look(world.app).failed
    receiver.status = 200
    world.later(minutes=2)

    with App(world.app.home, world.app.database_url, world.clock) as other:
        other.__dict__["registry"] = world.app.registry
        sent = look(other).sent

    assert (sent, look(world.app).sent, len(receiver.taken)) == (1, 0, 1)


def test_a_message_is_given_up_after_three_days_and_that_is_seen(world, receiver):
    decide(world, webhook={"url": receiver.url}, repeat="7d")
    pause(world)
    receiver.status = 500
    look(world.app)
    world.later(days=4)
    look(world.app)

    (notice,) = world.store.alerts.undelivered()
    assert (notice.state, receiver.url in notice.note) == ("failed", False)


def test_of_two_processes_one_looks(world):
    pause(world)
    world.store.leases.take("alerts", "somebody else", world.clock.now(), timedelta(minutes=1))

    turned = look(world.app)

    assert (turned.busy, turned.changes["raised"]) == (True, [])


def test_no_secret_and_no_person_is_in_what_is_kept_of_a_message(world, mail):
    decide(world, email=by_mail(mail))
    mail.refuse = f"550 not with {PASSWORD}"
    world.shop.order("1", "broken", name="Ann Example")
    world.pull()

    look(world.app)

    kept = json.dumps(world.store.database.query("SELECT * FROM notice")) + json.dumps(world.store.journal.events())
    assert "not with ***" in kept
    assert PASSWORD not in kept
    assert "Ann" not in kept


def test_plugins_are_told_the_same(world):
    world.local(
        "from pathlib import Path\nfrom crossdock import hookimpl\n\n@hookimpl\n"
        "def alert_changed(kind, subject, text, state):\n"
        f"    Path({str(world.app.home / 'told')!r}).write_text(f'{{state}} {{kind}} {{subject}}')\n"
    )
    pause(world)
    look(world.app)

    assert (world.app.home / "told").read_text() == "raised paused shop"


def test_a_service_looks_by_itself_and_a_dead_receiver_stops_nothing(world, receiver):
    decide(world, webhook={"url": receiver.url})
    pause(world)
    caretaker = Caretaker(world.app)
    caretaker.start()
    end = time.monotonic() + 10
    while not receiver.taken and time.monotonic() < end:
        time.sleep(0.01)
    caretaker.stop()

    assert len(receiver.taken) == 1


def test_a_look_that_breaks_does_not_end_the_caretaker(world, monkeypatch, caplog):
    def broken(app):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("crossdock.caretaker.look", broken)
    caretaker = Caretaker(world.app)

    caretaker._guarded("alerts", caretaker._look)
    caretaker._guarded("alerts", caretaker._look)

    assert [record.getMessage() for record in caplog.records] == ["alerts: ZeroDivisionError: a bug"]


# -- settings and commands -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"after": "soon"}, "after"),
        ({"mute": ["everything"]}, "mute"),
        ({"email": {"to": ["ops@example.com"], "from": "a@b.c"}}, "email.host"),
        ({"email": {"to": [], "from": "a@b.c", "host": "h"}}, "email.to"),
        ({"email": {"to": ["a@b.c"], "from": "a@b.c", "host": "h", "password": "in the clear"}}, "email.password"),
        ({"email": {"to": ["a@b.c"], "from": "a@b.c", "host": "h", "user": "u", "security": "none"}}, "email.security"),
        ({"webhook": {"url": "http://chat.example/x"}}, "webhook.url"),
        ({"pigeons": {}}, "pigeons"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_key(table, key):
    with pytest.raises(SettingsError) as refused:
        AlertSettings.parse(table)

    assert key in refused.value.problems


def test_a_secret_that_cannot_be_had_is_an_answer_of_the_test(world, mail, monkeypatch):
    monkeypatch.delenv("MAIL_PASSWORD")
    decide(world, email=by_mail(mail))

    assert "MAIL_PASSWORD, which is not set" in try_channels(world.app)["email"]


def test_a_mail_server_with_a_foreign_certificate_gets_no_password(world, mail):
    decide(world, email=by_mail(mail, ca=""))

    assert "certificate" in try_channels(world.app)["email"].lower()


def test_the_test_message_says_that_it_is_one(crossdock, receiver):
    config = crossdock.home / "crossdock.toml"
    config.write_text(f'[alerts]\nafter = "10m"\n[alerts.webhook]\nurl = "{receiver.url}"\n')
    assert "Nobody is told" in crossdock.run("alerts", "test", code=1).stdout
    crossdock.run("apply", "--yes")

    assert crossdock.json("alerts", "test") == {"webhook": ""}
    assert "This is a test" in receiver.taken[0][1]["text"]
    receiver.status = 500
    assert crossdock.json("alerts", "test", code=1)["webhook"]


def test_check_and_the_list_say_what_is_open(crossdock, receiver):
    crossdock.connect("shop")
    crossdock.run("connection", "pause", "shop")

    assert "raised: The connection shop is paused" in crossdock.run("alerts", "check").stdout
    assert "paused" in crossdock.run("alerts", code=1).stdout
    crossdock.run("connection", "resume", "shop")
    assert crossdock.json("alerts", "check")["resolved"][0]["subject"] == "shop"
    assert "No alert is open." in crossdock.run("alerts").stdout
    assert len(crossdock.json("alerts", "--all")["alerts"]) == 1


def test_what_the_file_decides_is_exported_again_and_pruned(crossdock, receiver):
    config = crossdock.home / "crossdock.toml"
    text = f'[retention]\npayloads = "30d"\n[alerts]\nmute = ["late"]\n[alerts.webhook]\nurl = "{receiver.url}"\n'
    config.write_text(text)
    crossdock.run("apply", "--yes")

    exported = crossdock.run("export").stdout
    config.write_text(exported)
    assert "Nothing to change" in crossdock.run("apply").stdout
    assert '[retention]\npayloads = "30d"' in exported

    config.write_text("")
    assert crossdock.json("apply", "--dry-run", code=0)["differences"] == []
    assert "- table alerts" in crossdock.run("apply", "--prune", "--yes").stdout
    with App(crossdock.home) as app:
        assert settings_of(app) == AlertSettings()


def test_a_bad_decision_changes_nothing(crossdock):
    (crossdock.home / "crossdock.toml").write_text('[retention]\npayloads = "soon"\n')

    assert "crossdock.toml: [retention] payloads:" in crossdock.run("apply", "--yes", code=2).stderr
