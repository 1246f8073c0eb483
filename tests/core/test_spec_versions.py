"""Plugins and cores of different age: what still works is told about, what cannot is refused with both versions."""

from __future__ import annotations

import sys

import pytest
from plugin_kit import ACME, install
from test_registry import GOOD, HOOK, Site

from crossdock import deprecated, hookspec
from crossdock.connection import SPEC_VERSION, ConnectorInfo
from crossdock.hookspecs import ConnectorSpec
from crossdock.records import Order


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder to install plugins into, with one good connector."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("CROSSDOCK_DISABLED", raising=False)
    made = Site(tmp_path, monkeypatch)
    made.add("good", GOOD.replace("NAME", "good"))
    yield made
    for name in set(sys.modules) - before:
        if name.endswith("_plugin") or name == "crossdock_local":
            del sys.modules[name]


class LaterSpec(ConnectorSpec):
    """The hooks as a later core may have them: one hook and one argument are on their way out."""

    @hookspec(firstresult=True, warn_on_impl=deprecated(
        "the hook fetch_stock", since="0.2", until="1.0", instead="fetch_balance"))  # fmt: skip
    def fetch_stock(self, session, query):
        """Read the stock."""

    @hookspec(firstresult=True, warn_on_impl_args={"key": deprecated(
        "the argument key of push_order", since="0.3", until="1.0", instead="order.references")})  # fmt: skip
    def push_order(self, session, order, key, known):
        """Create an order."""


def need(site, name, requirement):
    """Let a distribution say which core it needs."""
    (info,) = site.folder.glob(f"{name}-*.dist-info")
    with (info / "METADATA").open("a") as file:
        file.write(f"Requires-Dist: crossdock{requirement}\nRequires-Dist: crossdock-{name}-extra\n")


# -- built for an older core ---------------------------------------------------------------------------


def test_a_hook_that_takes_fewer_arguments_works(site):
    fewer = HOOK + "def push_order(order):\n    return Receipt(external_id='old ' + order.key)\n"
    site.bad(fewer, name="old")

    registry = site.load()

    receipt = registry.connector("old").push_order(None, Order(key="1"), "k", None)
    assert (receipt.external_id, registry.failures, registry.notices) == ("old 1", [], [])


@pytest.fixture
def later(monkeypatch):
    """This core, some releases later."""
    monkeypatch.setattr("crossdock.registry.ConnectorSpec", LaterSpec)


def test_what_will_go_works_and_is_named_with_plugin_and_both_versions(site, later):
    site.add("good", GOOD.replace("NAME", "good").replace("session, order, key, known", "order"), version="9")
    site.bad(HOOK + "def fetch_stock(session, query):\n    return iter(())\n", name="old")

    registry = site.load()

    assert registry.failures == []
    assert sorted((each.found.name, each.found.version, each.text) for each in registry.notices) == [
        ("old", "2.3", "the argument key of push_order is deprecated since version 0.3 and goes with 1.0; use "
                       "order.references."),
        ("old", "2.3", "the hook fetch_stock is deprecated since version 0.2 and goes with 1.0; use fetch_balance."),
    ]  # fmt: skip
    assert registry.connector("old").push_order(None, Order(key="1"), "k", None).external_id == "old k"


ADDS = """
from crossdock import deprecated, hookimpl, hookspec

class Specs:
    @hookspec(warn_on_impl=deprecated("zz_areas", since="2.1", until="3.0", instead="zz_print_areas"))
    def zz_areas(self, sku):
        pass

@hookimpl
def add_hookspecs(manager):
    manager.add_hookspecs(Specs)
"""


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_third_parties_let_their_own_hooks_go_in_the_same_way(site, name):
    site.add("mmm", ADDS, group="crossdock.plugins")
    site.add(name, "from crossdock import hookimpl\n@hookimpl\ndef zz_areas(sku):\n    return sku",
             group="crossdock.plugins")  # fmt: skip

    registry = site.load()

    assert [(each.found.name, "goes with 3.0; use zz_print_areas" in each.text) for each in registry.notices] == [
        (name, True)
    ]
    assert registry.hook.zz_areas(sku="A") == ["A"]


def test_people_and_machines_are_told(crossdock, monkeypatch):
    monkeypatch.setattr("crossdock.registry.ConnectorSpec", LaterSpec)
    said = "the argument key of push_order is deprecated since version 0.3 and goes with 1.0"

    assert f"acme 1.0 (acme) works, but {said}" in crossdock.run("connectors").stdout
    (acme,) = crossdock.json("connectors")
    assert said in acme["notices"][0]
    assert f"acme 1.0: {said}" in crossdock.run("doctor", code=None).stdout


# -- built for a newer core ----------------------------------------------------------------------------


NEWER = {
    "a field of ConnectorInfo": (
        "\n@hookimpl\ndef connector_info():\n    return ConnectorInfo(name='new', title='', settings=Settings, "
        "endpoint=endpoint, teleports=True)\n", "It uses the field 'teleports' of ConnectorInfo, which is not in "),
    "a name": ("\nfrom crossdock import Teleport\n", "It uses 'Teleport', which is not in "),
    "a module": ("\nimport crossdock.teleport\n", "It uses the module crossdock.teleport, which is not in "),
    "an argument": (HOOK + "def find_order(session, key, patience):\n    return []\n",
                    "find_order takes 'patience', which "),
    "a hook": (HOOK + "def teleport_order(session):\n    return []\n",
               "it implements 'teleport_order', which is no hook"),
    "another version of the hooks": (
        "\n@hookimpl\ndef connector_info():\n    return ConnectorInfo(name='new', title='', settings=Settings, "
        "endpoint=endpoint, spec=2)\n", "it was built for version 2 of the hooks, this core has version 1"),
}  # fmt: skip


@pytest.mark.parametrize("what", NEWER)
def test_what_this_core_lacks_is_refused_with_both_versions_and_stops_nothing_else(site, what):
    more, words = NEWER[what]
    site.bad(more, name="new")
    need(site, "new", ">=7.5")

    registry = site.load()

    (failure,) = registry.failures
    assert words in failure.cause
    assert "Crossdock 0.1.0 with version 1 of the hooks" in failure.cause
    assert "new 2.3 needs crossdock>=7.5." in failure.cause
    assert list(registry.connectors) == ["good"]


def test_one_that_does_not_say_which_core_it_needs_is_refused_as_well(site):
    site.bad(NEWER["a name"][0], name="new")

    assert "new 2.3 does not say which core it needs." in site.load().failures[0].cause


def test_who_does_not_say_for_which_hooks_is_taken_for_the_first_version():
    default = next(each.default for each in ConnectorInfo.__attrs_attrs__ if each.name == "spec")

    assert (default, SPEC_VERSION) == (1, 1)


def test_everything_else_works_beside_one_that_is_too_new(crossdock):
    install(crossdock.site, "new", ACME.replace('name="acme"', 'name="new", teleports=True'), version="5.0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSDOCK_PLUGINS", "acme,new")
        crossdock.connect("shop")
        crossdock.run("stream", "on", "shop", "orders")
        crossdock.shop.order("1")
        crossdock.run("sync")

        assert "It uses the field 'teleports' of ConnectorInfo" in crossdock.run("connectors", code=1).stdout
