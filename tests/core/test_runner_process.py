"""`crossdock run` and `crossdock worker` as processes: they work, stop, are killed, and go on."""

from __future__ import annotations

import os
import signal

import pytest
from runner_kit import process, references, until, wired

pytestmark = pytest.mark.slow


@pytest.fixture
def line(crossdock):
    """A shop whose orders go to an ERP by themselves."""
    return wired(crossdock)


def reads(line):
    """The requests for orders that the shop has got."""
    return [each for each in list(line.shop.requests) if each["path"] == "/orders"]


def test_it_reads_hands_on_and_says_who_it_is(line):
    line.shop.order("1")
    with process(line, "run", "--port", "0") as runner:
        until(lambda: runner.turns("to-erp"))
        assert runner.lines[0]["url"].startswith("http://127.0.0.1:")
        view = line.json("status")
        assert [(each["kind"], each["alive"]) for each in view["workers"]] == [("run", True)]
        assert "RUNS ON" in line.run("status").output
        runner.stop()

        assert runner.process.returncode == 0
    assert references(line) == ["shop-1"]
    assert line.json("status")["workers"] == []


def test_a_wish_of_another_process_is_worked(line):
    with process(line, "run", "--no-web") as runner:
        until(lambda: runner.turns("orders"))
        line.shop.order("1")
        assert line.json("stream", "now", "shop", "orders")["runner"]
        until(lambda: references(line) == ["shop-1"])
        assert line.json("stream", "show", "shop", "orders")["wanted"] is False


def test_reading_by_hand_works_while_it_runs(line):
    with process(line, "run", "--no-web") as runner:
        until(lambda: runner.turns("orders"))
        line.shop.order("1")
        line.run("sync", "shop", "orders")
        until(lambda: references(line) == ["shop-1"])


def test_it_stops_within_ten_seconds_also_when_a_vendor_does_not_answer(line):
    line.shop.order("1")
    line.shop.fault("slow", path="/orders", seconds=25)
    with process(line, "run", "--port", "0") as runner:
        until(lambda: reads(line))

        assert runner.stop() < 10
        assert (runner.process.returncode, runner.lines[-1]["left"]) == (0, ["shop orders"])
    with process(line, "run", "--no-web"):
        until(lambda: references(line) == ["shop-1"])


def test_a_second_signal_ends_it_at_once(line):
    line.shop.fault("slow", path="/orders", seconds=25)
    with process(line, "run", "--no-web") as runner:
        until(lambda: reads(line))
        runner.process.send_signal(signal.SIGINT)
        assert any(b"Stopping" in line for line in iter(runner.process.stderr.readline, b""))

        assert runner.stop(signal.SIGINT) < 3
        assert runner.process.returncode == 130


def test_killed_in_the_middle_of_a_delivery_it_goes_on_and_sends_once(line, monkeypatch):
    monkeypatch.setenv("CROSSDOCK_FIND_AFTER", "2")  # later than the slow ERP has it, if the request was whole
    line.shop.order("1")
    line.erp.fault("slow", method="POST", path="/orders", seconds=0.5)
    with process(line, "run", "--no-web") as runner:
        until(lambda: [each for each in list(line.erp.requests) if each["method"] == "POST"])
        runner.process.kill()
        runner.process.wait()
    with process(line, "run", "--no-web") as runner:
        until(lambda: runner.turns("to-erp"))
        until(lambda: line.json("effects", "list", "--state", "done"))

    assert references(line) == ["shop-1"]


def test_two_on_one_database_share_the_work(line):
    with process(line, "run", "--no-web") as first, process(line, "worker") as second:

        def done():
            turns = first.turns("orders") + second.turns("orders")
            return [each for each in turns if each["state"] == "done"]

        until(done)
        line.shop.order("1")
        line.run("stream", "now", "shop", "orders")
        until(lambda: references(line) == ["shop-1"] and len(done()) == 2)
        assert sorted(each["kind"] for each in line.json("status")["workers"]) == ["run", "worker"]

    assert len(reads(line)) == 2, first.lines + second.lines


def test_a_runner_that_was_killed_is_missed(line):
    with process(line, "run", "--no-web") as runner:
        runner.process.kill()
        runner.process.wait()

        assert "Nobody runs the schedules" in line.run("status", code=1).output


def test_a_port_that_is_taken_is_a_sentence(line):
    with process(line, "run", "--port", "0") as runner:
        port = runner.lines[0]["url"].rpartition(":")[2]

        assert f"port {port} cannot be used" in line.run("run", "--port", port, code=2).output


def test_nobody_has_to_read_what_it_says(line):
    read, write = os.pipe()
    os.set_blocking(write, False)
    for size in (4096, 1):
        with pytest.raises(BlockingIOError):
            while True:
                os.write(write, b"x" * size)
    os.set_blocking(write, True)
    line.shop.order("1")
    running = line.start("run", "--no-web", stdout=write, stderr=write)
    try:
        until(lambda: references(line) == ["shop-1"])
        running.send_signal(signal.SIGTERM)

        assert running.wait(timeout=10) == 0
    finally:
        running.kill()
        running.communicate()
        os.close(read)
        os.close(write)
