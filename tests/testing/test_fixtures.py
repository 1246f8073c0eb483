"""The fixtures that an author's own tests get, used as an author would."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import right

from crossdock import Order, Session, StreamInfo, evolve
from crossdock.errors import TransientError
from crossdock.sandbox import Impossible, Sandbox
from crossdock.testing import ConnectorFixtures, Stage
from crossdock.testing.golden import Golden
from crossdock.testing.props import StageClock

ORDER = Order(key="7", number="N7", currency="EUR", total=Decimal("12.30"), updated_at=datetime(2026, 1, 2, tzinfo=UTC))


class TestStall(ConnectorFixtures):
    """An author's class."""

    connector = "stall"
    plugin = right

    @pytest.fixture
    def order(self, stage: Stage) -> str:
        stage.stream = "orders"
        return stage.add(1)[0]

    def test_a_session_speaks_to_the_sandbox(self, session: Session, sandbox: Sandbox, order: str) -> None:
        rows = session.http.get("orders").json()

        assert [row["id"] for row in rows] == [order]
        assert sandbox.requests[0]["path"] == "/orders"

    def test_faults_are_planned_on_the_sandbox(self, stage: Stage, sandbox: Sandbox, order: str) -> None:
        sandbox.fault("status", status=503, times=99)

        with pytest.raises(TransientError):
            stage.read()

    def test_the_clock_is_moved_by_the_test_and_waiting_takes_no_time(self, clock: StageClock) -> None:
        moment = datetime(2020, 2, 29, tzinfo=UTC)

        clock.set(moment)
        clock.sleep(3600)

        assert timedelta(0) <= clock.now() - moment < timedelta(minutes=1)
        assert clock.slept == 3600

    def test_a_run_that_goes_on_comes_no_sooner_than_the_connector_allows(
        self, stage: Stage, clock: StageClock, order: str
    ) -> None:
        stage.info = evolve(stage.info, streams={"orders": StreamInfo(minimum=timedelta(minutes=7))})
        cursor, ended = stage.read().cursor, clock.now()

        stage.read(cursor)

        assert clock.now() - ended >= timedelta(minutes=6, seconds=59)

    def test_what_only_the_connector_sends_is_sent_at_its_moment(
        self, stage: Stage, clock: StageClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.stream, before = "orders", clock.now()
        monkeypatch.setattr(type(stage.rehearsal), "own", ("orders",))
        monkeypatch.setattr(type(stage.rehearsal), "sent", lambda self, stream, external_id: external_id)
        moment = stage.rehearsal.now() - timedelta(hours=3)

        (key,) = stage.add_at([moment])

        assert abs(stage.read().records[key].updated_at - moment) < timedelta(minutes=1)
        assert clock.now() - before < timedelta(minutes=1)

    def test_while_the_connector_reads_it_sends_nothing(
        self, stage: Stage, order: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(type(stage.rehearsal), "own", ("orders",))

        with pytest.raises(Impossible), stage.between(lambda turn: stage.add(1) and None):
            stage.read()

    def test_something_may_happen_between_two_answers(self, stage: Stage, order: str) -> None:
        turns: list[int] = []

        with stage.between(turns.append, times=2):
            for _ in range(3):
                stage.session.http.get("orders")

        assert turns == [0, 1]

    def test_what_goes_wrong_between_two_answers_is_raised_in_the_test(self, stage: Stage) -> None:
        def stumble(turn: int) -> None:
            raise LookupError("no such order")

        with pytest.raises(LookupError, match="no such order"), stage.between(stumble):
            stage.session.http.get("orders")


def test_a_golden_file_is_written_when_asked_and_compared_afterwards(tmp_path: Path) -> None:
    Golden(tmp_path, update=True)("order", ORDER)

    Golden(tmp_path, update=False)("order", ORDER)

    written = (tmp_path / "golden" / "order.json").read_text()
    assert '"total": "12.30"' in written
    assert '"updated_at": "2026-01-02T00:00:00Z"' in written


def test_a_value_that_differs_from_its_golden_file_fails_with_what_to_do(tmp_path: Path) -> None:
    Golden(tmp_path, update=True)("order", ORDER)

    with pytest.raises(AssertionError, match="--crossdock-update-golden"):
        Golden(tmp_path, update=False)("order", {"key": "8"})


def test_a_golden_file_that_is_missing_is_no_agreement(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="does not exist"):
        Golden(tmp_path, update=False)("order", ORDER)


def test_the_pytest_plugin_imports_next_to_nothing() -> None:
    program = (
        "import pytest, sys; before = set(sys.modules)\n"
        "import crossdock.testing.plugin\n"
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('crossdock')))"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert shown.strip() == "[]"
