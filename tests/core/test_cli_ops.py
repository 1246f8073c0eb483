"""The commands of an operator: what they say, what they answer to machines, and with which exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from ops_kit import Project, order

from crossdock.cli import main
from crossdock.store.migrate import HEAD


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


@pytest.fixture
def parked(project: Project) -> Project:
    """One order delivered, two parked for an unknown SKU, one payload that could not be read."""
    project.erp.unknown_skus = {"X-1"}
    project.shop.orders = {"1": order("1"), "2": order("2", sku="X-1"), "3": order("3", sku="X-1")}
    project.shop.unreadable["4"] = b"x"
    project.deliver(project.flow(name="to-erp"))
    return project


COMMANDS = (
    ("reconcile",), ("explain",), ("effects", "list"), ("effects", "show"), ("effects", "approve"),
    ("effects", "resolve"), ("effects", "replay"), ("effects", "discard"), ("parked", "list"), ("parked", "show"),
    ("parked", "replay"), ("parked", "discard"), ("parked", "export"), ("simulate",),
    ("gaps", "list"), ("map", "add"), ("map", "import"), ("map", "list"),
    ("map", "remove"), ("map", "export"), ("log",), ("log", "runs"), ("log", "events"), ("db", "upgrade"),
    ("db", "version"), ("db", "check"), ("db", "path"), ("db", "restored"), ("doctor",), ("apply",), ("export",),
    ("sandbox",),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples_and_json(project: Project, command: tuple[str, ...]) -> None:
    result = project.cli(*command, "--help")
    assert result.exit_code == 0
    assert f"Examples:\n    crossdock {command[0]}" in result.stdout
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reconcile", "nope"), "There is no flow 'nope'"),
        (("reconcile", "to-erp", "--from", "soon"), "'soon' is no date or time"),
        (("explain", "order", "nope"), "never seen order 'nope'"),
        (("explain", "order", ""), "The name is empty."),
        (("effects", "show", "99"), "There is no effect 99."),
        (("effects", "list", "--state", "lost"), "There is no state 'lost'"),
        (("effects", "resolve", "1", "--absent"), "Effect 1 is done, not in doubt."),
        (("effects", "resolve", "1"), "Say one of --external-id"),
        (("effects", "replay"), "Which effects?"),
        (("effects", "replay", "--flow", "nope"), "There is no flow 'nope'"),
        (("parked", "replay"), "Which ones?"),
        (("parked", "show", "R99"), "Nothing is parked as R99."),
        (("map", "add", "nope", "sku", "a", "b"), "there is no flow 'nope'"),
        (("map", "add", "*", "size", "a", "b"), "there is no kind 'size'"),
        (("map", "remove", "*", "sku", "a"), "There is no row * sku a."),
        (("log", "--connection", "nope"), "There is no connection 'nope'"),
        (("log", "--show", "99"), "There is no request 99"),
        (("apply", "nope.toml"), "does not exist"),
        (("apply",), "There is no "),
        (("sandbox", "nope"), "There is no connector 'nope'"),
        (("gaps", "list", "--flow", "nope"), "There is no flow 'nope'"),
        (("map", "list", "--flow", "nope"), "There is no flow 'nope'"),
        (("map", "export", "--flow", "nope"), "There is no flow 'nope'"),
        (("log", "runs", "--flow", "nope"), "There is no flow 'nope'"),
        (("log", "runs", "--connection", "nope"), "There is no connection 'nope'"),
        (("parked", "list", "--flow", "nope"), "There is no flow 'nope'"),
        (("parked", "list", "--connection", "nope"), "There is no connection 'nope'"),
        (("parked", "replay", "--flow", "nope"), "There is no flow 'nope'"),
        (("effects", "show", "x"), "'x' is no number such as 17 or E17."),
        (("effects", "show", "9" * 30), "is no number such as 17 or E17"),
        (("effects", "list", "--limit", "9" * 30), "is not in the range"),
        (("parked", "show", "E" + "9" * 30), "Nothing is parked as E999"),
        (("log", "runs", "--limit", "9" * 30), "is not in the range"),
        (("webhook", "show", "9" * 30), "is no number such as 17."),
        (("sandbox", "mute"), "ships no sandbox"),
        (("sandbox", "dock", "--set", "colour=red"), "no option 'colour'; there are: greeting, loud"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_sentence_and_exit_code_2(parked: Project, arguments: tuple[str, ...], said: str) -> None:
    result = parked.cli(*arguments)
    assert said in " ".join(result.output.split())
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_an_effect_may_be_named_as_the_list_of_what_is_parked_does(parked: Project) -> None:
    assert parked.cli("effects", "show", "e2").stdout == parked.cli("effects", "show", "2").stdout


def test_names_that_exist_may_have_nothing(parked: Project) -> None:
    assert parked.cli("map", "list", "--flow", "to-erp").exit_code == 0
    assert parked.cli("map", "list", "--flow", "*").exit_code == 0
    assert parked.cli("log", "runs", "--flow", "to-erp", "--stream", "balance").exit_code == 0


# -- reconcile and explain -------------------------------------------------------------------------


def test_reconcile_says_what_is_missing_and_why(parked: Project) -> None:
    result = parked.cli("reconcile", "to-erp")
    assert result.exit_code == 1
    assert "2 missing" in result.stdout
    assert "It is parked: X-1 is unknown." in result.stdout
    assert "crossdock reconcile to-erp --heal" in result.stdout


def test_reconcile_answers_machines(parked: Project) -> None:
    found = answer(parked.cli("reconcile", "to-erp", "--from", "2026-11-01", "--json"))
    none = {"extra": 0, "duplicate": 0, "different": 0, "unbound": 0}
    assert found["counts"] == {"matched": 1, "missing": 2, "unreadable": 1, **none}
    assert (found["agrees"], found["since"]) == (False, "2026-11-01T00:00:00Z")


def test_reconcile_takes_how_long_ago_for_both_ends(project: Project) -> None:
    now = datetime.now(UTC)
    ages = {"1": timedelta(days=30), "2": timedelta(days=3), "3": timedelta(hours=1)}
    project.shop.orders = {key: order(key, placed=now - age) for key, age in ages.items()}
    project.flow(name="to-erp")
    found = answer(project.cli("reconcile", "to-erp", "--from", "7d", "--to", "1d", "--json"))
    assert [each["ref"] for each in found["findings"]] == ["N2"]


def test_reconcile_is_fine_when_both_sides_agree(parked: Project) -> None:
    for key in ("2", "3"):
        del parked.shop.orders[key]
    parked.shop.unreadable.clear()
    assert parked.cli("reconcile", "to-erp").exit_code == 0


def test_reconcile_heals_what_can_be_healed(parked: Project) -> None:
    parked.erp.orders.clear()
    result = parked.cli("reconcile", "to-erp", "--heal")
    assert "1 effect planned again" in result.stdout
    assert "N2 was left: unknown sku X-1" in result.stdout
    parked.cli("push", "to-erp")
    assert [each.references["external"] for each in parked.erp.orders.values()] == ["shop-1"]


def test_explain_tells_a_story_that_ends_with_the_next_command(parked: Project) -> None:
    result = parked.cli("explain", "order", "N2")
    assert result.exit_code == 1
    for part in (
        "Order N2 (key 2) of shop", "10.00 EUR, 1 line, processing", "on page 1 of run 1", "gap: unknown sku X-1",
        "parked: X-1 is unknown.", "crossdock map add to-erp sku X-1 TARGET",
    ):  # fmt: skip
        assert part in result.stdout


def test_explain_shows_document_and_payload_when_asked(parked: Project) -> None:
    text = parked.cli("explain", "order", "1", "--record", "--payload").stdout
    assert '"number": "N1"' in text
    assert '{"as": "sent"}' in text
    (found,) = answer(parked.cli("explain", "order", "1", "--record", "--payload", "--json"))
    assert (found["record"]["key"], found["payload"]) == ("1", '{"as": "sent"}')
    (plain,) = answer(parked.cli("explain", "order", "1", "--json"))
    assert "payload" not in plain


# -- effects, parked, gaps, maps -------------------------------------------------------------------


def test_effects_can_be_listed_and_shown(parked: Project) -> None:
    assert [each["key"] for each in answer(parked.cli("effects", "list", "--json"))] == ["3", "2"]
    assert len(answer(parked.cli("effects", "list", "--all", "--json"))) == 3
    shown = answer(parked.cli("effects", "show", "2", "--json"))
    assert [each["state"] for each in shown["history"]] == ["parked"]
    assert "X-1 is unknown." in parked.cli("effects", "show", "2").stdout


def test_effects_can_be_replayed_by_flow_and_discarded_by_number(parked: Project) -> None:
    assert answer(parked.cli("effects", "replay", "--flow", "to-erp", "--json"))["changed"] == 2
    result = parked.cli("effects", "discard", "2", "--reason", "test order", "--json")
    assert answer(result)["changed"] == 1
    assert parked.app.store.effects.attempts(2)[-1][3] == "test order"


def test_discarding_what_is_done_changes_nothing_and_says_so(parked: Project) -> None:
    result = parked.cli("effects", "discard", "1")
    assert result.exit_code == 1
    assert "its state does not allow it" in result.stdout


def test_an_effect_in_doubt_is_resolved_by_a_person(parked: Project) -> None:
    database = parked.app.store.database
    with database.transaction():
        database.run("UPDATE effect SET state = 'in_doubt' WHERE id = 2")
    result = parked.cli("effects", "resolve", "2", "--external-id", "777")
    assert result.exit_code == 0
    assert parked.app.store.records.bound("shop", "orders", ["2"], "erp")["2"].external_id == "777"


def test_an_effect_that_waits_is_approved(project: Project) -> None:
    project.shop.orders = {"1": order("1", total="900.00")}
    project.deliver(project.flow(name="to-erp", approve_above="500"))
    assert project.app.store.effects.counts() == {("to-erp", "awaiting"): 1}
    assert "1 effect approved" in project.cli("effects", "approve", "1").stdout
    project.cli("push", "to-erp")
    assert len(project.erp.orders) == 1


def test_parked_groups_both_kinds_by_cause(parked: Project) -> None:
    result = parked.cli("parked", "list", "--json")
    found = answer(result)
    assert result.exit_code == 1
    assert [(each["kind"], each["count"], each["cause"]) for each in found["groups"]] == [
        ("effect", 2, "unknown sku X-1"), ("payload", 1, "The total of … is no number."),
    ]  # fmt: skip
    assert "R1" in parked.cli("parked", "list", "--each").stdout


def test_a_parked_payload_is_shown_with_its_bytes(parked: Project) -> None:
    shown = answer(parked.cli("parked", "show", "R1", "--json"))
    assert (shown["path"], shown["payload"]) == ("total", '{"total": "x"}')


def test_a_payload_is_fetched_again_by_key_when_it_is_replayed(parked: Project) -> None:
    parked.shop.unreadable.clear()
    parked.shop.orders["4"] = order("4")
    result = parked.cli("parked", "replay", "R1", "--json")
    assert result.exit_code == 0
    assert answer(result)["read"] == 1
    assert parked.app.store.records.get("shop", "orders", "4") is not None


def test_a_payload_that_is_still_unreadable_stays_parked(parked: Project) -> None:
    result = parked.cli("parked", "replay", "--connection", "shop", "--key", "4")
    assert result.exit_code == 1
    assert "0 payloads read, 1 still parked" in result.stdout


def test_replaying_all_takes_both_kinds(parked: Project) -> None:
    parked.shop.unreadable.clear()
    parked.shop.orders["4"] = order("4")
    found = answer(parked.cli("parked", "replay", "--all", "--json"))
    assert (found["read"], found["effects_ready"]) == (1, 2)


def test_replaying_a_cause_leaves_the_others(parked: Project) -> None:
    found = answer(parked.cli("parked", "replay", "--cause", "unknown sku X-1", "--json"))
    assert (found["fetched"], found["effects_ready"]) == (0, 2)


def test_what_is_parked_can_be_given_up(parked: Project) -> None:
    assert answer(parked.cli("parked", "discard", "--all", "--yes", "--json")) == {"payloads": 1, "effects": 2}
    result = parked.cli("parked", "list")
    assert (result.exit_code, result.stdout) == (0, "Nothing is parked.\n")


@pytest.mark.parametrize(
    "words", [("parked", "discard", "--all"), ("parked", "discard", "--flow", "to-erp"),
              ("effects", "discard", "--flow", "to-erp"), ("effects", "discard", "--cause", "unknown sku X-1")],
    ids=" ".join,
)  # fmt: skip
def test_many_are_given_up_only_when_somebody_says_that_it_is_meant(parked: Project, words: tuple[str, ...]) -> None:
    refused = parked.cli(*words, "--json")
    assert (refused.exit_code, "Add --yes if it is meant." in refused.stdout) == (2, True)
    assert len(parked.app.store.effects.find(states=("parked",))) == 2

    assert parked.cli(*words, "--yes").exit_code == 0
    assert parked.app.store.effects.find(states=("parked",)) == []


def test_a_gap_is_listed_and_closed_by_a_mapping_which_lets_its_records_go_on(parked: Project) -> None:
    (gap,) = answer(parked.cli("gaps", "list", "--json"))
    assert (gap["kind"], gap["value"], gap["waiting"]) == ("sku", "X-1", 2)
    assert "2 records waited for that" in parked.cli("map", "add", "to-erp", "sku", "X-1", "100").stdout
    assert parked.cli("gaps", "list").exit_code == 0
    parked.cli("push", "to-erp")
    assert len(parked.erp.orders) == 3


def test_mappings_go_out_and_come_in_as_csv(parked: Project, tmp_path: Path) -> None:
    file = tmp_path / "maps.csv"
    parked.cli("map", "add", "to-erp", "sku", 'a "b", c', "ü")
    assert parked.cli("map", "export", "--output", str(file)).exit_code == 0
    assert parked.cli("map", "export").stdout == file.read_text()
    parked.cli("map", "remove", "to-erp", "sku", 'a "b", c')
    assert answer(parked.cli("map", "list", "--json")) == []
    assert answer(parked.cli("map", "import", str(file), "--json")) == {"added": 1, "freed": 0}
    assert answer(parked.cli("map", "list", "--json"))[0]["target"] == "ü"


def test_a_spreadsheets_csv_with_semicolons_and_a_mark_is_read(parked: Project, tmp_path: Path) -> None:
    file = tmp_path / "maps.csv"
    file.write_bytes("\ufeffkind;value;target;flow\r\nsku;X-1;100;*\r\n\r\n".encode())
    assert answer(parked.cli("map", "import", str(file), "--json")) == {"added": 1, "freed": 2}


def test_an_import_names_every_bad_line_and_adds_none(parked: Project, tmp_path: Path) -> None:
    file = tmp_path / "maps.csv"
    file.write_text("flow,kind,value,target\n*,sku,A,1\n*,size,A,1\nnope,sku,B,\n*,sku\n*,sku,A,2\n")
    result = parked.cli("map", "import", str(file))
    assert result.exit_code == 2
    for part in ("4 lines cannot be used", "line 3: there is no kind 'size'", "line 4: there is no flow 'nope'",
                 "line 5: it has 2 columns instead of 4", "line 6: it says again what line 2 says"):  # fmt: skip
        assert part in result.output
    assert parked.app.store.gaps.rows() == []


# -- log, database, doctor -------------------------------------------------------------------------


def test_the_log_shows_runs_and_events(parked: Project) -> None:
    runs = answer(parked.cli("log", "runs", "--json"))
    assert [(each["kind"], each["state"]) for each in runs] == [("push", "done"), ("pull", "done")]
    assert "1 done, 2 parked" in parked.cli("log", "runs", "--flow", "to-erp").stdout
    kinds = [each["kind"] for each in answer(parked.cli("log", "events", "--subject", "to-erp", "--json"))]
    assert kinds == ["flow switched", "flow added"]


def test_the_log_shows_requests_and_one_of_them_with_its_bodies(project: Project) -> None:
    database = project.app.store.database
    with database.transaction():
        database.many(
            "INSERT INTO exchange (at, connection, method, url, status, milliseconds, request_body, response_body, "
            "error) VALUES ('', 'shop', ?, 'http://shop/orders', ?, 12, 'asked', 'answered', '')",
            [("GET", 200), ("POST", 500)],
        )
    assert [each["status"] for each in answer(project.cli("log", "--json"))] == [500, 200]
    assert [each["method"] for each in answer(project.cli("log", "--failed", "--json"))] == ["POST"]
    shown = project.cli("log", "--show", "1").stdout
    assert "asked" in shown
    assert "answered" in shown


def test_the_database_tells_version_place_and_soundness(project: Project) -> None:
    assert project.cli("db", "version").exit_code == 0
    assert project.cli("db", "path").stdout.strip() == str(project.home / "crossdock.db")
    assert "The database is sound" in project.cli("db", "check").stdout
    assert project.cli("db", "upgrade").exit_code == 0


def test_an_empty_database_needs_an_upgrade_and_gets_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", f"sqlite:///{project.home}/other.db")
    assert project.cli("db", "version").exit_code == 1
    assert answer(project.cli("db", "upgrade", "--json"))["before"] is None
    assert project.cli("db", "version").exit_code == 0


def test_a_database_from_the_future_is_not_told_to_be_upgraded(project: Project) -> None:
    project.app.store.database.run("UPDATE alembic_version SET version_num = '9999'")
    result = project.cli("db", "version")
    assert result.stdout == f"9999 (needed: {HEAD}; a newer Crossdock made it)\n"
    assert result.exit_code == 1


def test_a_damaged_schema_is_found(project: Project) -> None:
    project.app.store.database.run("ALTER TABLE gap DROP COLUMN closed_at")
    result = project.cli("db", "check")
    assert result.exit_code == 1
    assert "schema: " in result.stdout


def test_a_restored_database_is_marked_and_what_comes_next_is_said(parked: Project) -> None:
    said = parked.cli("db", "restored").stdout
    assert "to-erp: 2 effects" in said
    assert "crossdock reconcile" in said
    assert answer(parked.cli("db", "restored", "--json"))["asked"] == {"to-erp": 2}


def test_reconcile_binds_what_the_database_forgot(parked: Project) -> None:
    with parked.app.store.transaction():
        parked.app.store.records.unbind("shop", "orders", "1", "erp")
    assert "1 unbound" in parked.cli("reconcile", "to-erp").stdout
    assert "1 binding corrected" in parked.cli("reconcile", "to-erp", "--heal").stdout
    assert "unbound" not in parked.cli("reconcile", "to-erp").stdout


def test_the_password_of_a_database_is_not_shown(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDOCK_DATABASE_URL", "postgresql://joe:pass-4711@db.example/crossdock")
    assert project.cli("db", "path").stdout.strip() == "postgresql://joe:***@db.example/crossdock"


def test_the_doctors_exit_code_says_whether_all_is_well(project: Project) -> None:
    assert project.cli("doctor").exit_code == 0
    project.app.save("later", "dock", {}, draft=True)
    result = project.cli("doctor", "--json")
    assert result.exit_code == 1
    assert [each["name"] for each in answer(result)["checks"] if each["state"] != "ok"] == ["Connection later"]


# -- apply and export ------------------------------------------------------------------------------


@pytest.fixture
def file(project: Project) -> Path:
    path = project.home / "crossdock.toml"
    path.write_text(
        '[connections.shop]\nconnector = "dock"\nsettings.system = "shop-system"\nsettings.note = "hello"\n'
    )
    return path


def test_apply_shows_the_difference_and_needs_yes_where_nobody_can_be_asked(project: Project, file: Path) -> None:
    result = project.cli("apply", str(file))
    assert result.exit_code == 2
    assert "note: nothing → hello" in result.stdout
    assert "Add --yes" in result.stderr
    assert "note" not in project.app.row("shop").settings


def test_apply_takes_the_projects_own_file_and_is_idempotent(project: Project, file: Path) -> None:
    result = project.cli("apply", "--yes")
    assert result.exit_code == 0
    assert "✓ Token" in result.stdout
    assert "1 difference applied" in result.stdout
    assert project.cli("apply", "--yes").stdout == "Nothing to change: the project is as the file says.\n"


def test_apply_only_shows_on_a_dry_run(project: Project, file: Path) -> None:
    result = project.cli("apply", "--dry-run", "--json")
    assert result.exit_code == 1
    assert answer(result)["differences"][0]["name"] == "shop"
    assert "note" not in project.app.row("shop").settings


def test_apply_answers_machines_with_one_document(project: Project, file: Path) -> None:
    refused = project.cli("apply", "--json")
    assert (refused.exit_code, answer(refused)["applied"]) == (2, False)
    assert answer(project.cli("apply", "--yes", "--json"))["applied"] is True


def test_apply_refuses_a_red_connection_and_changes_nothing(
    project: Project, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", "bad")
    file.write_text(file.read_text() + 'settings.token = "env:BAD"\n')
    result = project.cli("apply", "--yes")
    assert result.exit_code == 1
    assert "Nothing was changed: shop could not be verified." in result.stdout
    assert "note" not in project.app.row("shop").settings


def test_export_and_apply_are_inverses(project: Project) -> None:
    path = project.home / "out.toml"
    assert project.cli("export", "--output", str(path)).exit_code == 0
    assert project.cli("export").stdout == path.read_text()
    assert project.cli("apply", str(path), "--prune", "--yes").stdout.startswith("Nothing to change")


# -- sandbox ---------------------------------------------------------------------------------------


def test_a_sandbox_is_served_until_it_is_interrupted(project: Project) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(project.home.parent / "site")])
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "crossdock", "--project", str(project.home), "sandbox", "dock",
         "--set", "greeting=7", "--set", "loud=yes"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines: list[str] = []
        deadline = time.monotonic() + 20
        while not any("connection add" in line for line in lines) and time.monotonic() < deadline:
            lines.append(process.stdout.readline())
        url = lines[0].split(" at ")[1].split()[0]
        with urllib.request.urlopen(f"{url}/_sandbox/state") as reply:  # noqa: S310
            assert json.load(reply) == {"greeting": "7", "loud": True}
        expected = f"crossdock connection add my-dock -c dock --set system={url} --set 'token=good one'"
        assert expected in "".join(lines)
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors


def test_a_pipeline_tells_a_wrong_file_from_a_difference_and_from_none(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "crossdock.toml"
    file.write_text(re.sub(r"# settings.token .*", 'settings.token = "env:DOCK_TOKEN"', project.cli("export").stdout))
    assert project.cli("apply", str(file), "--yes", env={"DOCK_TOKEN": "good one"}).exit_code == 0
    assert project.cli("init", str(tmp_path / "check")).exit_code == 0

    def check(folder: Path, *more: str) -> int:
        return CliRunner().invoke(main, ["--project", str(folder), "apply", str(file), "--dry-run", *more]).exit_code

    assert (check(tmp_path / "check"), check(project.home, "--prune")) == (1, 0)
    file.write_text(file.read_text() + '[flows.odd]\nstream = "orders"\nsource = "shop"\ntarget = "nobody"\n')
    assert (check(tmp_path / "check"), check(project.home)) == (2, 2)
