"""`apply` and `export` are inverses; the difference is shown first; nothing is saved that is not green."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from dock_plugin import WORLD, System
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ops_kit import Project, order

from crossdock.app import App
from crossdock.declare import Applied, Difference, apply, differences, export, read
from crossdock.engine.pull import pull
from crossdock.errors import UsageError
from crossdock.schedule import Schedule
from crossdock.store.config import FlowOptions, FlowRow, StreamRow
from crossdock.webhooks import public_base

FILE = """
[connections.shop]
connector = "dock"
settings.system = "shop-system"

[connections.erp]
connector = "dock"
settings.system = "erp-system"
"""


def parse(app: App, text: str) -> object:
    known = {row.name: (row.connector, row.python) for row in app.store.config.connections()}
    return read(text, "crossdock.toml", app.connector, known, [flow.name for flow in app.store.config.flows()])


def difference(app: App, text: str, *, prune: bool = False) -> list[Difference]:
    return differences(app, parse(app, text), prune=prune)


def put(app: App, text: str, *, prune: bool = False) -> Applied:
    project = parse(app, text)
    return apply(app, project, differences(app, project, prune=prune), prune=prune)


def named(found: list[Difference]) -> list[tuple[str, str, str]]:
    return [(each.action, each.what, each.name) for each in found]


def stream(app: App, connection: str, name: str) -> StreamRow:
    return next(row for row in app.store.config.streams(connection) if row.stream == name)


# -- applying --------------------------------------------------------------------------------------


def test_what_is_as_the_file_says_makes_no_difference(project: Project) -> None:
    assert difference(project.app, FILE) == []


def test_a_new_connection_is_verified_and_active(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCK_TOKEN", "good as gold")
    text = FILE + '[connections.new]\nconnector = "dock"\nsettings = {system = "x", token = "env:DOCK_TOKEN"}\n'
    assert named(difference(project.app, text)) == [("add", "connection", "new")]
    assert put(project.app, text).done
    row = project.app.row("new")
    assert (row.state, row.settings["token"]) == ("active", "env:DOCK_TOKEN")
    assert difference(project.app, text) == []


def test_when_one_connection_is_red_nothing_at_all_is_saved(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOD", "good")
    monkeypatch.setenv("BAD", "bad")
    text = FILE + "".join(
        f'[connections.{name.lower()}]\nconnector = "dock"\nsettings = {{system = "x", token = "env:{name}"}}\n'
        for name in ("GOOD", "BAD")
    )
    assert put(project.app, text) == Applied(done=False, red=("bad",))
    assert [row.name for row in project.app.store.config.connections()] == ["erp", "shop"]


def test_a_reference_that_leads_nowhere_is_red_with_a_sentence(project: Project) -> None:
    text = FILE + '[connections.new]\nconnector = "dock"\nsettings = {system = "x", token = "env:NOT_SET_ANYWHERE"}\n'
    said: list[str] = []
    wanted = parse(project.app, text)
    done = apply(
        project.app, wanted, differences(project.app, wanted), on_check=lambda _, each: said.append(each.detail)
    )
    assert done.red == ("new",)
    assert "NOT_SET_ANYWHERE, which is not set" in said[0]


def test_a_draft_is_kept_incomplete_and_inactive(project: Project) -> None:
    text = FILE + '[connections.later]\nconnector = "dock"\ndraft = true\n'
    assert put(project.app, text).done
    assert project.app.row("later").state == "draft"
    assert difference(project.app, text) == []


def test_a_secret_that_the_file_leaves_out_stays(project: Project) -> None:
    assert put(project.app, FILE.replace('"shop-system"', '"shop-system"\nsettings.note = "hello"')).done
    row = project.app.row("shop")
    assert project.app.reveal(row)["token"] == "good one"
    assert row.settings["token"].startswith("enc:")
    assert row.settings["note"] == "hello"


def test_an_optional_secret_is_removed_by_an_empty_text(project: Project) -> None:
    project.app.save("shop", "dock", {"system": "shop-system", "token": "good", "spare": "hidden"})
    text = FILE.replace('"shop-system"', '"shop-system"\nsettings.spare = ""')
    (found,) = difference(project.app, text)
    assert [(field.name, field.before, field.after) for field in found.fields] == [("spare", "***", "")]
    put(project.app, text)
    assert "spare" not in project.app.row("shop").settings


def test_secrets_are_never_shown_in_the_difference(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCK_TOKEN", "good as gold")
    text = FILE.replace('"shop-system"', '"shop-system"\nsettings.token = "env:DOCK_TOKEN"')
    (found,) = difference(project.app, text)
    assert [(field.name, field.before, field.after) for field in found.fields] == [("token", "***", "env:DOCK_TOKEN")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('streams.orders = "10m"', (True, 600, "")),
        ('streams.orders = "30 6 * * 1-5"', (True, None, "30 6 * * 1-5")),
        ('streams.orders = {every = "1h", enabled = false}', (False, 3600, "")),
        ('[connections.shop.streams.orders]\ncron = "@daily"', (True, None, "@daily")),
        ('[streams."shop.orders"]\nevery = "10m"', (True, 600, "")),
        ('[streams.shop.orders]\nevery = "10m"', (True, 600, "")),
        ("streams.orders = {}", (True, 3600, "")),
    ],
)
def test_streams_are_written_in_several_ways(project: Project, line: str, expected: tuple[object, ...]) -> None:
    text = FILE.replace("[connections.erp]", f"{line}\n[connections.erp]")
    assert put(project.app, text).done
    row = stream(project.app, "shop", "orders")
    assert (row.enabled, row.every, row.cron) == expected
    assert difference(project.app, text) == []


def test_zone_quiet_hours_and_jitter_of_a_stream_are_written_beside_its_schedule(project: Project) -> None:
    line = 'streams.orders = { cron = "0 6 * * *", zone = "Europe/Berlin", quiet = "22:00-05:00", jitter = "30s" }'
    text = FILE.replace("[connections.erp]", f"{line}\n[connections.erp]")

    assert put(project.app, text).done
    assert stream(project.app, "shop", "orders").schedule == Schedule(
        cron="0 6 * * *", zone="Europe/Berlin", quiet="22:00-05:00", jitter=30
    )
    assert line in export(project.app)
    assert difference(project.app, text) == []


def test_switching_a_stream_keeps_its_bookmark(project: Project) -> None:
    pull(project.app.bench, "shop", "orders")
    put(project.app, FILE.replace("[connections.erp]", 'streams.orders = "10m"\n[connections.erp]'))
    assert stream(project.app, "shop", "orders").cursor == "1"


FLOW = FILE + '[flows.out]\nstream = "orders"\nsource = "shop"\ntarget = "erp"\n'


def test_a_new_flow_is_in_plan_mode_and_plans_what_is_stored(project: Project) -> None:
    project.shop.orders = {"1": order("1")}
    pull(project.app.bench, "shop", "orders")
    assert put(project.app, FLOW).planned == 1
    assert project.app.store.effects.counts() == {("out", "planned"): 1}


def test_a_flow_without_a_mode_keeps_the_one_it_has(project: Project) -> None:
    put(project.app, FLOW + 'mode = "live"\n')
    assert difference(project.app, FLOW) == []


def test_a_wider_filter_lets_stored_orders_in(project: Project) -> None:
    project.shop.orders = {"1": order("1", status="pending")}
    put(project.app, FLOW)
    pull(project.app.bench, "shop", "orders")
    assert project.app.store.effects.counts() == {}
    assert put(project.app, FLOW + 'options.statuses = ["pending"]\n').planned == 1


def test_the_ends_of_a_flow_with_a_ledger_do_not_change(project: Project) -> None:
    project.shop.orders = {"1": order("1")}
    pull(project.app.bench, "shop", "orders")
    put(project.app, FLOW)
    turned = FLOW.replace('source = "shop"\ntarget = "erp"', 'source = "erp"\ntarget = "shop"')
    with pytest.raises(UsageError, match=r"\[flows.out\]: it has a ledger"):
        difference(project.app, turned)


def test_mappings_close_gaps_and_let_records_go_on(project: Project) -> None:
    project.erp.unknown_skus = {"A-1"}
    project.shop.orders = {"1": order("1")}
    put(project.app, FLOW + 'mode = "live"\n')
    flow = project.app.store.config.flow("out")
    assert flow is not None
    project.deliver(flow)
    rows = FLOW + '[[mappings]]\nflow = "out"\nkind = "sku"\nvalue = "A-1"\ntarget = "100"\n'
    assert put(project.app, rows).freed == 1
    assert difference(project.app, rows) == []


# -- pruning ---------------------------------------------------------------------------------------

FULL = FLOW.replace("[connections.erp]", 'streams.orders = "10m"\n[connections.erp]') + (
    '[[mappings]]\nkind = "country"\nvalue = "UK"\ntarget = "GB"\n[connections.old]\nconnector = "dock"\ndraft = true\n'
)


def test_nothing_is_removed_unless_told(project: Project) -> None:
    put(project.app, FULL)
    assert difference(project.app, FILE) == []


def test_pruning_removes_what_the_file_does_not_have(project: Project) -> None:
    put(project.app, FULL)
    assert named(difference(project.app, FILE, prune=True)) == [
        ("remove", "mapping", "* country UK"), ("remove", "flow", "out"), ("remove", "stream", "shop orders"),
        ("remove", "connection", "old"),
    ]  # fmt: skip
    put(project.app, FILE, prune=True)
    assert difference(project.app, FILE, prune=True) == []
    assert not stream(project.app, "shop", "orders").enabled


def test_pruning_never_takes_a_connection_that_the_file_still_uses(project: Project) -> None:
    only = FLOW.replace('[connections.erp]\nconnector = "dock"\nsettings.system = "erp-system"\n', "")
    with pytest.raises(UsageError, match=r"\[flows.out\]: it uses the connection erp"):
        difference(project.app, only, prune=True)


# -- mistakes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[connections", "crossdock.toml is no TOML"),
        ("[conections.a]", "[top level] conections: there is no such key"),
        ("[connections.a]", "[connections.a] connector: it is missing"),
        ('[connections.a]\nconnector = "nope"', "[connections.a] connector: There is no connector 'nope'"),
        ('[connections."a b"]\nconnector = "dock"', "'a b' is no usable name"),
        ('[connections.a]\nconnector = "dock"', "[connections.a.settings] token: Token (token) is missing."),
        (
            '[connections.a]\nconnector = "dock"\nsettings.tokn = "x"',
            "settings] tokn: There is no setting",
        ),
        ('[connections.a]\nconnector = "dock"\nsettings.token = "s3cret"', "token: a secret does not belong in a file"),
        (
            '[connections.a]\nconnector = "dock"\nsettings.depth = "deep"',
            "Depth (depth) must be a whole number.",
        ),
        (
            '[connections.a]\nconnector = "dock"\nsettings.note = {x = 1}',
            "settings] note: it must be text",
        ),
        ('[connections.shop]\nconnector = "mute"', "[connections.shop] connector: shop is a connection to dock"),
        ('[connections.shop]\ndraft = "yes"', "[connections.shop] draft: it must be true or false"),
        ('[connections.shop]\nstreams.order = "1h"', "[connections.shop.streams] order: Dock has no such stream"),
        ('[connections.shop]\nstreams.orders = "soon"', "every: 'soon' is no duration."),
        ('[connections.shop]\nstreams.orders = {every = "1h", zone = "Berlin"}', "There is no time zone 'Berlin'"),
        ('[connections.shop]\nstreams.orders = {quiet = "night"}', "quiet: 'night' are no quiet hours"),
        ('[connections.shop]\nstreams.orders = "1m"', "every: Dock allows to read orders every 5m at most"),
        ('[connections.shop]\nstreams.orders = "61 * * * *"', "cron: '61' is no minute of a cron line"),
        (
            '[connections.shop]\nstreams.orders = {evry = "1h"}',
            "streams.orders] evry: there is no such",
        ),
        ('[streams."nope.orders"]\nevery = "1h"', "there is no connection 'nope'"),
        ('[flows.f]\nstream = "orders"', "[flows.f] source: it is missing"),
        ('[flows.f]\nstream = "orders"\nsource = "a"\ntarget = "erp"', "[flows.f] source: there is no connection 'a'"),
        (
            '[flows.f]\nstream = "money"\nsource = "shop"\ntarget = "erp"',
            "stream: there is no stream 'money'",
        ),
        (FLOW + 'mode = "fast"', "[flows.out] mode: there is no mode 'fast'"),
        (FLOW + "options.buffer = 2", "[flows.out.options]: --buffer is for flows of balance"),
        (FLOW + 'options.totals = "guess"', "[flows.out.options]: The policy for totals is one of"),
        (FLOW + "options.statuses = 3", "[flows.out.options] statuses: it must be a list of texts"),
        (
            '[[mappings]]\nflow = "no"\nkind = "sku"\nvalue = "a"\ntarget = "b"',
            "row 1] flow: there is no flow",
        ),
        ('[[mappings]]\nkind = "size"\nvalue = "a"\ntarget = "b"', "[mappings, row 1] kind: there is no kind 'size'"),
        ('[[mappings]]\nkind = "sku"\ntarget = "b"', "[mappings, row 1] value: it is missing"),
    ],
)
def test_a_mistake_is_named_with_file_table_and_key(project: Project, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(project.app, text)
    assert said in str(caught.value)
    assert "crossdock.toml" in str(caught.value)


def test_all_mistakes_are_named_at_once(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        parse(project.app, '[connections.a]\nconnector = "nope"\n[flows.f]\nstream = "orders"\n')
    assert str(caught.value).count("\n  ") == 3


def test_a_literal_secret_is_not_repeated_in_the_complaint(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        parse(project.app, '[connections.a]\nconnector = "dock"\nsettings.token = "s3cret"')
    assert "s3cret" not in str(caught.value)


# -- exporting -------------------------------------------------------------------------------------


def test_the_export_holds_no_secret_and_applies_without_a_difference(project: Project) -> None:
    project.app.save("shop", "dock", {"system": "shop-system", "token": "good and secret", "spare": "very secret"})
    put(project.app, FULL)
    text = export(project.app)
    assert "secret" not in text.partition("\n\n")[2].replace("sealed", "")
    assert "enc:" not in text
    assert difference(project.app, text, prune=True) == []


def test_an_export_takes_the_place_of_the_file_without_losing_the_public_address(project: Project) -> None:
    file = project.home / "crossdock.toml"
    file.write_text('public_url = "https://hooks.example.com"\n')

    file.write_text(export(project.app))

    assert public_base(project.app) == "https://hooks.example.com"
    assert difference(project.app, file.read_text(), prune=True) == []


def test_an_export_makes_the_same_project_elsewhere(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCK_TOKEN", "good as gold")
    for name in ("shop", "erp"):
        project.app.save(name, "dock", {"system": f"{name}-system", "token": "env:DOCK_TOKEN"})
    put(project.app, FULL)
    text = export(project.app)
    with App(tmp_path) as other:
        assert put(other, text).done
        assert export(other) == text


def test_the_settings_of_a_connector_that_is_gone_are_not_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "mute")
    with App(project.home) as app:
        text = export(app)
    assert "shop-system" not in text
    assert "not installed" in text


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12
)
names = st.text("abcXYZ019_-", min_size=1, max_size=8)


@st.composite
def projects(draw: st.DrawFn) -> dict[str, object]:
    """What people may have set up."""
    connections = draw(st.lists(names, min_size=2, max_size=3, unique=True))
    return {
        "connections": {
            name: {"system": draw(words.filter(str.strip)), "note": draw(st.one_of(st.just(""), words)),
                   "depth": str(draw(st.integers(0, 99))), "flag": draw(st.sampled_from(("yes", "false", "1"))),
                   "token": draw(st.sampled_from(("good one", "env:DOCK_TOKEN"))), "draft": draw(st.booleans())}
            for name in connections
        },
        "streams": [
            (name, draw(st.sampled_from(("orders", "balance"))), draw(st.booleans()),
             draw(st.one_of(st.none(), st.integers(300, 90000))), draw(st.sampled_from(("", "5 4 * * 1-5"))),
             draw(st.sampled_from(("", "Europe/Berlin", "Asia/Kathmandu"))),
             draw(st.sampled_from(("", "22:00-06:00", "12:30-13:00"))), draw(st.sampled_from((0, 30, 3600))))
            for name in connections
        ],
        "buffer": draw(st.integers(0, 9)),
        "mode": draw(st.sampled_from(("plan", "live", "paused"))),
        "warehouses": draw(st.lists(words, max_size=2)),
        "mappings": draw(st.dictionaries(st.tuples(st.sampled_from(("sku", "tax")), words), words, max_size=3)),
        "retention": draw(st.dictionaries(
            st.sampled_from(("payloads", "personal", "runs")), st.sampled_from(("30d", "2w", "5y", "forever")),
        )),
        "alerts": draw(st.fixed_dictionaries({}, optional={
            "after": st.sampled_from(("10m", "2h")),
            "mute": st.lists(st.sampled_from(("late", "parked")), unique=True),
            "email": st.fixed_dictionaries(
                {"to": st.just(["ops@example.com"]), "from": st.just("x@example.com"), "host": words.filter(str.strip)},
                optional={"port": st.integers(1, 65535), "password": st.just("env:SMTP"), "user": words},
            ),
            "webhook": st.just({"url": "env:CHAT", "token": "file:/run/secrets/chat"}),
        })),
    }  # fmt: skip


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(made=projects())
def test_applying_an_export_is_never_a_difference(
    project: Project, monkeypatch: pytest.MonkeyPatch, made: dict[str, dict[str, dict[str, str]]]
) -> None:
    monkeypatch.setenv("DOCK_TOKEN", "good as gold")
    folder = Path(tempfile.mkdtemp(dir=project.home))
    shutil.copy(project.home.parent / "home" / "crossdock.db", folder / "crossdock.db")
    with App(folder) as app:
        app.__dict__["registry"] = project.app.registry
        now = app.clock.now()
        for name, values in made["connections"].items():
            typed = {key: value for key, value in values.items() if key != "draft"}
            WORLD.setdefault(typed["system"].strip(), System())
            app.save(name, "dock", typed, draft=bool(values["draft"]))
        with app.store.transaction():
            for connection, each, enabled, every, cron, *more in made["streams"]:
                seconds = None if cron else every
                # Without a time of its own a stream has nothing that goes with it.
                zone, quiet, jitter = more if seconds or cron else ("", "", 0)
                app.store.config.save_stream(connection, each, enabled=enabled, every=seconds, cron=cron, zone=zone,
                                             quiet=quiet, jitter=jitter)  # fmt: skip
            for table in ("retention", "alerts"):
                app.store.preferences.put(table, made[table], now)
            first, second, *_ = made["connections"]
            options = FlowOptions(buffer=made["buffer"], warehouses=tuple(made["warehouses"]))
            app.store.config.save_flow(
                FlowRow(name="f", stream="balance", source=first, target=second, mode=made["mode"], options=options),
                now,
            )
            app.store.gaps.add([("f", kind, value, target) for (kind, value), target in made["mappings"].items()])
        assert difference(app, export(app), prune=True) == []
