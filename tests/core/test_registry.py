"""Plugins that cannot be used are named with version and cause, and stop nothing else."""

from __future__ import annotations

import sys

import pytest
from plugin_kit import install

from crossdock.errors import PluginError, UnsupportedError, UsageError
from crossdock.records import Order
from crossdock.registry import Registry

GOOD = """
from crossdock import ConnectorInfo, Endpoint, Receipt, hookimpl
import attrs

@attrs.frozen(kw_only=True)
class Settings:
    pass

def endpoint(settings):
    return Endpoint(base_url="http://127.0.0.1")

@hookimpl
def connector_info():
    return ConnectorInfo(name="NAME", title="NAME", settings=Settings, endpoint=endpoint)

@hookimpl
def push_order(session, order, key, known):
    return Receipt(external_id="NAME " + key)
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path to install plugins into; nothing else counts as installed."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("CROSSDOCK_DISABLED", raising=False)
    made = Site(tmp_path, monkeypatch)
    made.add("good", GOOD.replace("NAME", "good"))
    yield made
    for name in set(sys.modules) - before:
        if name.endswith("_plugin") or name == "crossdock_local":
            del sys.modules[name]


class Site:
    """Installs plugins and loads them."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._names = []

    def add(self, name, source, **details):
        """Install a plugin."""
        install(self.folder, name, source, **details)
        self._names.append(name)
        self._monkeypatch.setenv("CROSSDOCK_PLUGINS", ",".join(self._names))

    def bad(self, more, name="bad"):
        """Install a connector that is good up to `more`."""
        self.add(name, GOOD.replace("NAME", name) + more, version="2.3")

    def load(self, local=""):
        """The registry; `local` is the text of a local plugin file."""
        path = self.folder / "crossdock_local.py"
        if local:
            path.write_text(local)
        return Registry(path)


def failure(registry):
    (found,) = registry.failures
    return found


def push(registry, name, key="k"):
    return registry.connector(name).push_order(None, Order(key="1"), key, None)


def test_a_good_connector_is_found_with_what_it_can_do(site):
    connector = site.load().connector("good")

    assert (connector.found.version, connector.info.title, connector.hooks) == (
        "1.0", "good", ("connector_info", "push_order"),
    )  # fmt: skip


HOOK = "\n@hookimpl\n"

TRAPS = {
    "a coroutine": (HOOK + "async def find_order(session, key):\n    return []", "find_order is asynchronous"),
    "an asynchronous generator": (HOOK + "async def fetch_orders(session, query):\n    yield 1",
                                  "fetch_orders is asynchronous"),
    "a misspelt hook": (HOOK + "def fetch_order(session, query):\n    return []",
                        "it implements 'fetch_order', which is no hook of this core; is it misspelt?"),
    "a wrong parameter": (HOOK + "def find_order(session, number):\n    return []", "'number'"),
    "a keyword-only parameter": (HOOK + "def find_order(session, *, key):\n    return []",
                                 "keyword-only parameter 'key'"),
    "a default": (HOOK + "def find_order(session, key=''):\n    return []", "gives 'key' a default"),
    "specname": ("\n@hookimpl(specname='find_order')\ndef look(session, key):\n    return []", "look uses specname"),
    "a wrapper": ("\n@hookimpl(wrapper=True)\ndef find_order(session, key):\n    return (yield)",
                  "find_order is a wrapper"),
    "an old wrapper": ("\n@hookimpl(hookwrapper=True)\ndef find_order(session, key):\n    yield",
                       "find_order is a wrapper"),
    "another spec version": ("\n@hookimpl\ndef connector_info():\n    return ConnectorInfo(name='bad', title='', "
                             "settings=Settings, endpoint=endpoint, spec=2)",
                             "built for version 2 of the hooks, this core has version 1; install a bad that fits"),
    "another spec version with other hooks": (
        "\n@hookimpl\ndef connector_info():\n    return ConnectorInfo(name='bad', title='', settings=Settings, "
        "endpoint=endpoint, spec=2)" + HOOK + "def fetch_weather(session):\n    return []",
        "built for version 2 of the hooks"),
    "another name": ("\n@hookimpl\ndef connector_info():\n    return ConnectorInfo(name='evil', title='', "
                     "settings=Settings, endpoint=endpoint)", "its entry point is called 'bad', but its ConnectorInfo"),
    "an info that raises": ("\n@hookimpl\ndef connector_info():\n    return {}['x']",
                            "connector_info failed: KeyError: 'x'"),
    "an info that exits": ("\n@hookimpl\ndef connector_info():\n    raise SystemExit(3)",
                           "connector_info failed: SystemExit: 3"),
    "an info that is none": ("\n@hookimpl\ndef connector_info():\n    return {}", "answered dict instead of"),
    "no info": ("\ndel connector_info", "connector_info is missing"),
    "an import that fails": ("\nfrom crossdock import Teleport", "it cannot be imported: ImportError: cannot import"),
    "an exit at import": ("\nimport sys\nsys.exit(3)", "it cannot be imported: SystemExit: 3"),
    "a syntax error": ("\ndef (", "it cannot be imported: SyntaxError"),
}  # fmt: skip


@pytest.mark.parametrize("trap", TRAPS)
def test_a_connector_that_cannot_be_used_is_named_with_version_and_cause(site, trap):
    more, cause = TRAPS[trap]
    site.bad(more)

    registry = site.load()

    found = failure(registry)
    assert (found.found.name, found.found.distribution, found.found.version) == ("bad", "bad", "2.3")
    assert cause in found.cause
    assert push(registry, "good").external_id == "good k"


def test_asking_for_it_says_why_it_cannot_be_used(site):
    site.bad("\nimport sys\nsys.exit(3)")

    with pytest.raises(UsageError, match="The connector bad cannot be used: it cannot be imported: SystemExit: 3"):
        site.load().connector("bad")


def test_asking_for_one_that_is_not_there_names_those_that_are(site):
    with pytest.raises(UsageError, match="There is no connector 'none'; installed are: good"):
        site.load().connector("none")


def test_two_distributions_with_one_name_are_both_refused(site, tmp_path, monkeypatch):
    for distribution in ("first", "second"):
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[crossdock.connectors]\ntwin = good_plugin\n")
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "good,twin")

    registry = site.load()

    assert [each.cause for each in registry.failures] == [
        "first and second both call themselves 'twin'; uninstall one."
    ] * 2
    assert list(registry.connectors) == ["good"]


def test_a_distribution_with_broken_metadata_is_passed_over(site, tmp_path):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crossdock.connectors\nthis is no ini = file = at all\n")

    assert list(site.load().connectors) == ["good"]


# -- choosing ------------------------------------------------------------------------------------------


def test_only_the_plugins_that_are_named_are_loaded(site, monkeypatch):
    site.bad("\nimport sys\nsys.exit(3)")
    monkeypatch.setenv("CROSSDOCK_PLUGINS", "good")

    registry = site.load()

    assert (list(registry.connectors), registry.failures) == (["good"], [])


def test_a_plugin_can_be_blocked(site, monkeypatch):
    site.bad("")
    monkeypatch.setenv("CROSSDOCK_DISABLED", "bad")

    assert list(site.load().connectors) == ["good"]


# -- ambient plugins -----------------------------------------------------------------------------------


WRAPPER = """
from crossdock import hookimpl
import attrs

@hookimpl(wrapper=True)
def push_order(session, order, key, known):
    receipt = yield
    return attrs.evolve(receipt, note="seen")
"""


def test_an_ambient_wrapper_runs_around_every_connector(site):
    site.bad("", name="other")
    site.add("policy", WRAPPER, group="crossdock.plugins")

    registry = site.load()

    receipts = [push(registry, name) for name in ("good", "other")]
    assert [(receipt.external_id, receipt.note) for receipt in receipts] == [("good k", "seen"), ("other k", "seen")]
    assert [found.name for found in registry.ambient_plugins] == ["policy"]


def test_connectors_do_not_answer_for_each_other(site):
    site.bad("", name="other")
    registry = site.load()

    assert [push(registry, name).external_id for name in ("good", "other")] == ["good k", "other k"]


def test_an_ambient_plugin_may_not_answer_for_connectors(site):
    site.add("thief", WRAPPER.replace("(wrapper=True)", ""), group="crossdock.plugins")

    assert "push_order is a connector's hook; an ambient plugin may only wrap it" in failure(site.load()).cause


def test_a_local_file_is_a_plugin(site):
    registry = site.load(local=WRAPPER)

    assert push(registry, "good").note == "seen"
    assert [(found.name, found.version) for found in registry.ambient_plugins] == [("crossdock_local", "local")]


@pytest.mark.parametrize("text", ["import nothing_of_that_name", "import sys; sys.exit(3)", "def ("])
def test_a_local_file_that_breaks_is_named_and_stops_nothing(site, text):
    registry = site.load(local=text)

    assert failure(registry).found.distribution == "crossdock_local.py"
    assert push(registry, "good").external_id == "good k"
    assert "crossdock_local" not in sys.modules


def test_nothing_is_decided_without_the_rules_of_a_plugin_that_cannot_be_loaded(site):
    registry = site.load(local="def (")

    assert registry.ambient.asks("approve_effect")
    with pytest.raises(PluginError, match=r"crossdock_local may hold rules and cannot be asked.*SyntaxError") as told:
        registry.ambient.ask("needs_approval", "", flow="to-erp", record=None)
    assert told.value.hint == "Repair crossdock_local.py, or switch it off: CROSSDOCK_DISABLED=crossdock_local"


def test_a_connector_that_cannot_be_loaded_holds_no_rules(site):
    site.bad("import nothing_of_that_name")
    registry = site.load()

    assert failure(registry).found.name == "bad"
    assert registry.ambient.ask("needs_approval", "no", flow="to-erp", record=None) == "no"


def test_a_local_file_can_be_switched_off(site, monkeypatch):
    monkeypatch.setenv("CROSSDOCK_DISABLED", "crossdock_local")
    registry = site.load(local="def (")

    assert (registry.failures, registry.ambient_plugins) == ([], [])
    assert registry.ambient.ask("needs_approval", "no", flow="to-erp", record=None) == "no"


ADDS = """
from crossdock import hookimpl, hookspec

class Specs:
    @hookspec
    def zz_print_areas(self, sku):
        pass

@hookimpl
def add_hookspecs(manager):
    manager.add_hookspecs(Specs)
"""


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_plugin_may_add_hooks_that_others_implement_whoever_comes_first(site, name):
    site.add("mmm", ADDS, group="crossdock.plugins")
    site.add(name, "from crossdock import hookimpl\n@hookimpl\ndef zz_print_areas(sku):\n    return sku",
             group="crossdock.plugins")  # fmt: skip

    registry = site.load()

    assert registry.failures == []
    assert registry.hook.zz_print_areas(sku="A") == ["A"]


def test_a_plugin_whose_added_hooks_break_is_named_and_stops_nothing(site):
    site.add("mmm", ADDS.replace("manager.add_hookspecs(Specs)", "1 / 0"), group="crossdock.plugins")

    registry = site.load()

    assert "ZeroDivisionError" in failure(registry).cause
    assert list(registry.connectors) == ["good"]


def test_an_ambient_plugin_hears_of_the_connectors(site):
    site.add("ears", "from crossdock import hookimpl\nheard = []\n@hookimpl\ndef connector_loaded(info):\n"
                     "    heard.append(info.name)", group="crossdock.plugins")  # fmt: skip

    site.load()

    assert sys.modules["ears_plugin"].heard == ["good"]


def test_one_that_breaks_at_hearing_of_them_stops_nothing(site):
    site.add("ears", "from crossdock import hookimpl\n@hookimpl\ndef connector_loaded(info):\n    1 / 0",
             group="crossdock.plugins")  # fmt: skip

    with pytest.warns(RuntimeWarning, match="broke in connector_loaded"):
        registry = site.load()

    assert push(registry, "good").external_id == "good k"


# -- what leaves a hook --------------------------------------------------------------------------------


def test_a_hook_that_is_not_there_is_unsupported(site):
    with pytest.raises(UnsupportedError, match="The connector good has no find_order"):
        site.load().connector("good").find_order(None, "k")


BREAKS = {
    "a bug": ("def find_order(session, key):\n    return {}['x']", "bad 2.3 broke in find_order: KeyError: 'x'"),
    "a bug in a generator": ("def find_order(session, key):\n    yield {}['x']", "broke in find_order: KeyError"),
    "an exit": ("def find_order(session, key):\n    raise SystemExit(3)", "broke in find_order: SystemExit: 3"),
    "none": ("def find_order(session, key):\n    return None", "answered None from find_order"),
    "other things": ("def find_order(session, key):\n    return ['1']", "answered a str from find_order, not a"),
    "a receipt without id": ("def find_order(session, key):\n    return [Receipt(external_id='')]", "no receipt with"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_what_is_no_answer_is_a_fault_of_the_plugin(site, how):
    source, words = BREAKS[how]
    site.bad(HOOK + source)

    with pytest.raises(PluginError, match=words):
        site.load().connector("bad").find_order(None, "k")


def test_a_fault_names_file_and_line(site):
    site.bad(HOOK + BREAKS["a bug"][0])

    with pytest.raises(PluginError, match=r"\(bad_plugin.py, line \d+\)") as raised:
        site.load().connector("bad").find_order(None, "k")

    assert "fault of the plugin bad" in raised.value.hint
