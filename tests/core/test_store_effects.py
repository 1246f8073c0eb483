"""The effect ledger, verb by verb and then in any order, on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from crossdock.store.ledger import Intent
from crossdock.store.records import Bound
from crossdock.store.store import Store

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=60)
QUIET = timedelta(seconds=10)
EVERYTHING = ("orders", "order", "shop", "erp", "orders")


def plan(store, key="1", wanted="v1", state="ready", now=NOW, ref=""):
    with store.transaction():
        store.effects.plan(*EVERYTHING, [Intent(key, ref or f"N{key}", wanted)], state, now)


def claim(store, owner="w1", limit=10, now=NOW):
    with store.transaction():
        return store.effects.claim("orders", limit, owner, now, LEASE)


def only(store, key="1"):
    (found,) = store.effects.find(flow="orders", key=key)
    return found


def done(store, effect, now=NOW, external_id="E1"):
    with store.transaction():
        return store.effects.done(effect, external_id, "", "{}", 1, now)


# -- planning ------------------------------------------------------------------------------------------


def test_a_newer_state_takes_the_place_of_an_unsent_older_one(store):
    plan(store, wanted="v1")
    plan(store, wanted="v2")

    assert [(effect.wanted, effect.state) for effect in store.effects.find()] == [("v2", "ready")]


def test_a_state_that_was_delivered_is_not_planned_again(store):
    plan(store)
    done(store, claim(store)[0])

    plan(store)

    assert only(store).state == "done"


def test_a_record_that_returns_to_its_delivered_state_asks_for_nothing(store):
    plan(store, wanted="v1")
    done(store, claim(store)[0])
    plan(store, wanted="v2")
    plan(store, wanted="v1")

    assert only(store).state == "done"


def test_unless_another_state_was_tried_since_and_may_have_arrived(store):
    plan(store, wanted="v1")
    done(store, claim(store)[0])
    plan(store, wanted="v2")
    (tried,) = claim(store)
    store.effects.ready_again(tried, NOW, "the answer to the update was lost", 1, NOW)

    plan(store, wanted="v1")

    assert only(store).state == "ready"


@pytest.mark.parametrize("state", ["sending", "in_doubt", "submitted"])
def test_a_change_of_what_is_under_way_waits_until_it_settles(store, state):
    plan(store, wanted="v1")
    (effect,) = claim(store)
    if state == "in_doubt":
        store.effects.doubt(effect, NOW, "", 1, NOW)
    if state == "submitted":
        store.effects.submitted(effect, "J1", None, NOW, 1, NOW)

    plan(store, wanted="v2")
    assert only(store).state == state
    done(store, effect)

    assert (only(store).state, only(store).done, only(store).wanted) == ("ready", "v1", "v2")


def test_a_change_frees_what_was_parked_and_forgets_why(store):
    plan(store, wanted="v1")
    store.effects.park(claim(store)[0], "cause", "message", "path", 7, 1, NOW)

    plan(store, wanted="v2")

    effect = only(store)
    assert (effect.state, effect.cause, effect.message, effect.path, effect.gap) == ("ready", "", "", "", None)


@pytest.mark.parametrize("state", ["sending", "submitted"])
def test_a_change_of_what_is_refused_meanwhile_is_ready(store, state):
    plan(store, wanted="v1")
    (effect,) = claim(store)
    if state == "submitted":
        store.effects.submitted(effect, "J1", None, NOW, 1, NOW)
        effect = only(store)
    plan(store, wanted="v2")

    assert store.effects.park(effect, "cause", "message", "path", 7, 1, NOW) is False

    effect = only(store)
    assert (effect.state, effect.cause, effect.path, effect.gap) == ("ready", "", "", None)


def test_a_change_of_what_is_in_doubt_does_not_send_what_may_be_there_twice(store):
    plan(store, wanted="v1")
    store.effects.doubt(claim(store)[0], NOW, "", 1, NOW)
    (effect,) = store.effects.claim_doubtful("orders", 9, "me/1/1", NOW, LEASE)
    plan(store, wanted="v2")

    assert store.effects.park(effect, "exists several times", "message", "", None, 1, NOW) is True

    assert only(store).state == "parked"


def test_a_change_asks_for_approval_again(store):
    plan(store, wanted="v1")
    store.effects.await_approval(claim(store)[0], "", 1, NOW)
    store.effects.approve(only(store).id, "hash", NOW)

    plan(store, wanted="v2")

    assert only(store).approval == ""


def test_who_approved_is_remembered_for_what_was_shown_and_goes_with_the_flow(store):
    plan(store)
    number = only(store).id
    for seconds, person in enumerate(("bert", "anna", "bert")):
        store.effects.agree(number, "hash", person, NOW + timedelta(seconds=seconds))
    store.effects.agree(number, "another hash", "carl", NOW)

    assert store.effects.agreed(number, "hash") == ("anna", "bert")
    store.effects.forget_flow("orders")
    assert store.effects.agreed(number, "hash") == ()


# -- claiming ------------------------------------------------------------------------------------------


def test_claimed_effects_are_not_claimed_again(store):
    for key in "123":
        plan(store, key)

    assert [effect.key for effect in claim(store, limit=2)] == ["1", "2"]
    assert [effect.key for effect in claim(store, "w2")] == ["3"]
    assert claim(store) == []


def test_an_effect_is_not_claimed_before_its_time(store):
    plan(store)
    store.effects.ready_again(claim(store)[0], NOW + LEASE, "", 1, NOW)

    assert claim(store, now=NOW + LEASE / 2) == []
    assert len(claim(store, now=NOW + LEASE)) == 1


def test_workers_that_claim_at_once_share_without_overlap(store, database_url):
    for number in range(40):
        plan(store, str(number))
    stores, taken = [Store.open(database_url) for _ in range(4)], []

    def work(each, owner):
        while got := claim(each, owner, 3):
            taken.extend(effect.key for effect in got)

    threads = [threading.Thread(target=work, args=(each, f"w{number}")) for number, each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for each in stores:
        each.close()

    assert sorted(taken, key=int) == [str(number) for number in range(40)]


# -- recovering ----------------------------------------------------------------------------------------


def recover(store, now, dead=(), repeatable=()):
    with store.transaction():
        return store.effects.recover("orders", list(dead), now, QUIET, list(repeatable))


def test_what_a_silent_worker_was_sending_is_in_doubt_and_asked_after_the_quiet_time(store):
    plan(store)
    claim(store)
    assert recover(store, NOW + LEASE / 2) == 0

    recover(store, NOW + LEASE * 2)

    assert only(store).state == "in_doubt"
    assert store.effects.claim_doubtful("orders", 9, "w2", NOW + LEASE * 2, LEASE) == []
    assert len(store.effects.claim_doubtful("orders", 9, "w2", NOW + LEASE * 2 + QUIET, LEASE)) == 1


def test_what_a_dead_worker_was_sending_is_in_doubt_at_once(store):
    plan(store)
    claim(store, "dead")

    recover(store, NOW, ["dead"])

    assert only(store).state == "in_doubt"


def test_what_may_be_repeated_is_ready_again(store):
    plan(store)
    claim(store, "dead")

    recover(store, NOW, ["dead"], ["order"])

    assert only(store).state == "ready"


def test_another_flows_effects_are_left_alone(store):
    store.effects.plan("other", "order", "a", "b", "orders", [Intent("1", "", "v")], "ready", NOW)
    store.effects.claim("other", 1, "dead", NOW, LEASE)

    recover(store, NOW + LEASE * 2, ["dead"])

    assert [effect.state for effect in store.effects.find(flow="other")] == ["sending"]
    assert store.effects.owners("orders") == set()


def test_a_renewed_lease_is_not_over(store):
    plan(store)
    (effect,) = claim(store)

    assert store.effects.renew({effect.id: effect.attempts}, "w1", NOW + LEASE * 0.9, LEASE) == {effect.id}

    assert recover(store, NOW + LEASE * 1.5) == 0


@pytest.fixture
def two(postgres_server):
    """The stores of two processes. On SQLite nobody else is at work during a transaction."""
    url = postgres_server.migrated()
    first, second = Store.open(url), Store.open(url)
    second.database.run("SET lock_timeout = '5s'")
    yield first, second
    first.close()
    second.close()
    postgres_server.drop(url)


@pytest.mark.slow
def test_a_lease_is_renewed_without_waiting_for_who_changes_another_row(two):
    store, other = two
    plan(store, "1")
    plan(store, "2")
    first, second = claim(store)

    with store.transaction():
        store.effects.plan(*EVERYTHING, [Intent("2", "N2", "v2")], "ready", NOW)
        renewed = other.effects.renew({first.id: 1, second.id: 1}, "w1", NOW + QUIET, LEASE)

    assert renewed == {first.id}


@pytest.mark.slow
def test_what_is_held_or_taken_from_the_silent_is_not_waited_for(two):
    store, other = two
    plan(store, "1")
    claim(store)
    plan(store, "2")

    with store.transaction():
        store.effects.plan(*EVERYTHING, [Intent(each, f"N{each}", "v2") for each in "12"], "ready", NOW)
        other.effects.hold("orders", NOW + LEASE)
        assert other.effects.recover("orders", [], NOW + 2 * LEASE, QUIET, ()) == 0

    assert store.effects.recover("orders", [], NOW + 2 * LEASE, QUIET, ()) == 1
    assert only(store, "2").not_before == ""


def test_what_is_settled_together_is_planned_in_the_order_of_its_keys(store):
    intents = [Intent(key, key, "1") for key in ("B", "C", "A")]
    with store.transaction():
        store.effects.plan("stock", "balance", "erp", "shop", "balance", intents, "ready", NOW)

    assert [effect.key for effect in store.effects.find(flow="stock")][::-1] == ["A", "B", "C"]


def test_a_lease_that_somebody_took_over_is_not_renewed(store):
    plan(store)
    (effect,) = claim(store)
    recover(store, NOW + LEASE * 2)
    (asked,) = store.effects.claim_doubtful("orders", 1, "w1", NOW + LEASE * 3, LEASE)
    store.effects.ready_again(asked, None, "", 1, NOW)
    claim(store, "w1", now=NOW + LEASE * 3)

    assert store.effects.renew({effect.id: effect.attempts}, "w1", NOW + LEASE * 3, LEASE) == set()


# -- settling ------------------------------------------------------------------------------------------


@pytest.fixture
def taken_over(store):
    """An effect as its first worker knows it, which another claim of the same process has under way by now."""
    plan(store)
    (effect,) = claim(store)
    recover(store, NOW + LEASE * 2)
    (asked,) = store.effects.claim_doubtful("orders", 1, "w1", NOW + LEASE * 3, LEASE)
    store.effects.ready_again(asked, None, "", 1, NOW)
    claim(store, "w1", now=NOW + LEASE * 3)
    return effect


@pytest.mark.parametrize("verb", ["ready_again", "doubt", "park", "supersede", "await_approval", "submitted"])
def test_who_was_overtaken_cannot_move_the_effect(store, taken_over, verb):
    arguments = {
        "ready_again": (None, "", 1, NOW), "doubt": (None, "", 1, NOW), "park": ("", "", "", None, 1, NOW),
        "supersede": ("", 1, NOW), "await_approval": ("", 1, NOW), "submitted": ("J", None, NOW, 1, NOW),
    }[verb]  # fmt: skip

    getattr(store.effects, verb)(taken_over, *arguments)

    assert only(store).state == "sending"


def test_who_was_overtaken_may_still_tell_that_it_was_done(store, taken_over):
    assert done(store, taken_over)

    assert (only(store).state, only(store).external_id) == ("done", "E1")


def test_but_not_of_an_older_state_than_the_one_under_way(store):
    plan(store, wanted="v1")
    (old,) = claim(store)
    recover(store, NOW + LEASE * 2)
    (asked,) = store.effects.claim_doubtful("orders", 1, "w2", NOW + LEASE * 3, LEASE)
    store.effects.ready_again(asked, None, "", 1, NOW)
    plan(store, wanted="v2")
    claim(store, "w2", now=NOW + LEASE * 3)

    assert not done(store, old)
    assert (only(store).state, only(store).done) == ("sending", "")


def test_the_history_tells_every_step(store):
    plan(store)
    store.effects.ready_again(claim(store)[0], None, "later", 5, NOW)
    done(store, claim(store)[0])

    assert [(run, state, message) for _, run, state, message in store.effects.attempts(only(store).id)] == [
        (5, "ready", "later"), (1, "done", ""),
    ]  # fmt: skip


def test_words_of_a_vendor_that_a_database_cannot_keep_do_not_stop_the_ledger(store):
    plan(store)

    store.effects.park(claim(store)[0], "c\x00", "m\x00\udc80", "p\x00", None, 1, NOW)

    assert only(store).message == "m\N{REPLACEMENT CHARACTER}?"


def test_a_submitted_effect_remembers_its_job_and_what_was_handed_in(store):
    plan(store)
    store.effects.submitted(claim(store)[0], "J1", '{"sku": "A"}', NOW + LEASE, 1, NOW)

    assert store.effects.jobs("orders", NOW) == {}
    assert [effect.key for effect in store.effects.jobs("orders", NOW + LEASE)["J1"]] == ["1"]
    assert store.effects.sent_document(only(store).id) == '{"sku": "A"}'


# -- people and lists ----------------------------------------------------------------------------------


def test_a_flow_that_goes_live_releases_what_was_planned_and_back(store):
    plan(store, state="planned")

    assert (store.effects.release("orders", NOW), only(store).state) == (1, "ready")
    assert (store.effects.withhold("orders", NOW), only(store).state) == (1, "planned")


def test_closing_a_gap_frees_all_that_waited(store):
    for key in "12":
        plan(store, key)
    for effect in claim(store):
        store.effects.park(effect, "unknown sku A", "", "", 3, 1, NOW)
    assert store.effects.parked_groups() == [("orders", "unknown sku A", 2, "")]

    assert store.effects.free_gap(3, NOW) == 2
    assert {effect.state for effect in store.effects.find()} == {"ready"}


def test_only_superseded_effects_of_the_record_are_woken(store):
    for key, ref in (("1", "O1"), ("2", "O1"), ("3", "O2")):
        plan(store, key, ref=ref)
    first, _, third = claim(store)
    for effect in (first, third):
        store.effects.supersede(effect, "", 1, NOW)

    assert store.effects.wake("orders", "O1", NOW) == 1
    assert {effect.key: effect.state for effect in store.effects.find()} == {
        "1": "ready", "2": "sending", "3": "superseded",
    }  # fmt: skip


def test_holding_a_flow_delays_what_is_ready_and_shortens_nothing(store):
    for key in "12":
        plan(store, key)
    store.effects.ready_again(claim(store, limit=1)[0], NOW + 3 * LEASE, "", 1, NOW)

    store.effects.hold("orders", NOW + LEASE)

    assert claim(store, now=NOW + LEASE / 2) == []
    assert [effect.key for effect in claim(store, now=NOW + LEASE)] == ["2"]


def test_what_is_due_counts_a_silent_workers_effects_when_their_lease_is_over(store):
    plan(store)
    claim(store)

    assert store.effects.due("orders", NOW + LEASE / 2) == 0
    assert store.effects.due("orders", NOW + LEASE) == 1
    assert store.effects.next_due("orders") == "2026-03-01T12:01:00.000000Z"


def test_nothing_is_due_in_an_empty_ledger(store):
    assert store.effects.next_due("orders") is None
    assert store.effects.oldest("orders") is None


# -- in any order --------------------------------------------------------------------------------------


class Ledger(RuleBasedStateMachine):
    """Two workers, a target system, and everything that may happen to them, in any order."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.store.effects.forget_flow("orders")
        self.store.database.run("DELETE FROM binding")
        self.now = NOW
        self.newest: dict[str, str] = {}
        self.target: dict[str, str] = {}  # what the target holds
        self.hands: list[list] = []  # claimed effect, when its lease ends, "" or "created" or "updated"

    def known(self, key):
        return bool(self.store.records.bound("shop", "orders", [key], "erp"))

    @rule(key=st.sampled_from("aab"), version=st.sampled_from(["v1", "v2"]))
    def change(self, key, version):
        self.newest[key] = version
        plan(self.store, key, version, now=self.now)

    @rule(owner=st.sampled_from(["w1", "w2"]), at_once=st.booleans())
    def claim(self, owner, at_once):
        for effect in claim(self.store, owner, 1, self.now):
            self.hands.append([effect, self.now + LEASE, ""])
            if at_once:
                self.send(len(self.hands) - 1)

    @precondition(lambda self: self.hands)
    @rule(which=st.integers(0, 9))
    def send(self, which):
        hand = self.hands[which % len(self.hands)]
        key = hand[0].key
        if hand[2] or self.now >= hand[1]:
            return
        hand[2] = "updated" if self.known(key) else "created"
        assert hand[2] == "updated" or key not in self.target, "created twice"
        self.target[key] = self.newest[key]

    @precondition(lambda self: self.hands)
    @rule(which=st.integers(0, 9), how=st.sampled_from(["answered", "lost", "refused", "crashed"]))
    def settle(self, which, how):
        effect, _, sent = self.hands.pop(which % len(self.hands))
        effects = self.store.effects
        if how == "crashed":
            return
        with self.store.transaction():
            if how == "answered" and sent:
                self.finish(effect)
            elif sent == "created":
                effects.doubt(effect, self.now + QUIET, "", 1, self.now)
            elif how == "refused" and not sent:
                effects.park(effect, "refused", "", "", None, 1, self.now)
            else:
                effects.ready_again(effect, self.now + QUIET, "", 1, self.now)

    def finish(self, effect):
        self.store.effects.done(effect, f"E{effect.key}", "", None, 1, self.now)
        self.store.records.bind(Bound("shop", "orders", effect.key, "erp", f"E{effect.key}", ""), self.now)

    @rule(owner=st.sampled_from(["w1", "w2"]), crashes=st.booleans())
    def ask(self, owner, crashes):
        for effect in self.store.effects.claim_doubtful("orders", 1, owner, self.now, LEASE):
            if crashes:
                return
            with self.store.transaction():
                if not self.known(effect.key) and effect.key in self.target:
                    self.finish(effect)
                else:
                    self.store.effects.ready_again(effect, None, "", 1, self.now)

    @rule(seconds=st.sampled_from([5, 15, 70]))
    def wait(self, seconds):
        self.now += timedelta(seconds=seconds)
        recover(self.store, self.now)

    @precondition(lambda self: self.store.effects.find(states=("parked",)))
    @rule()
    def replay(self):
        ids = [effect.id for effect in self.store.effects.find(states=("parked",))]
        with self.store.transaction():
            self.store.effects.set_state(ids, "ready", self.now, when=("parked",))

    @invariant()
    def one_row_for_each_record(self):
        keys = [effect.key for effect in self.store.effects.find(flow="orders")]
        assert sorted(keys) == sorted(self.newest)

    def teardown(self):
        """Left alone, everything arrives."""
        self.hands.clear()
        for _ in range(4):
            self.wait(70)
            self.replay()
            self.wait(15)
            self.ask("w1", False)
            self.ask("w1", False)
            for effect in claim(self.store, "w1", 10, self.now):
                self.hands.append([effect, self.now + LEASE, ""])
            while self.hands:
                self.send(0)
                self.settle(0, "answered")
        assert self.target == self.newest
        assert {effect.state for effect in self.store.effects.find(flow="orders")} <= {"done"}


def test_whatever_happens_each_record_is_created_once_and_its_newest_state_arrives(store):
    if store.database.dialect == "sqlite":
        store.database.run("PRAGMA synchronous=OFF")
    machine = type("Ledger", (Ledger,), {"store": store})
    examples = 200 if store.database.dialect == "sqlite" else 15

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, derandomize=True, database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
