"""What `deploy/` has for systemd and for containers works with this Crossdock.

No engine for containers runs here: the steps of the image are run one by one in folders, as the file says them. What
that cannot show is the base image, its user and its read-only root.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from crossdock.cli import main

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = ("crossdock.service", "crossdock-worker@.service")
STOPS_WITHIN = 10  # seconds; see docs/runner.md


def takes(words: list[str]) -> None:
    """Fails unless the command line takes these words."""
    context = click.Context(main, info_name="crossdock")
    command = main.get_command(context, words[0])
    assert command is not None, words
    command.make_context(words[0], words[1:], parent=context)


def unit(name: str) -> dict[str, list[str]]:
    """The keys of a unit, each with its values."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_that_exists_and_gives_it_time_to_stop(name: str) -> None:
    keys = unit(name)

    program, *words = shlex.split(keys["ExecStart"][0])
    assert program.endswith("/crossdock")
    takes(words)
    assert (keys["Type"], keys["Restart"], keys["KillSignal"]) == (["notify"], ["always"], ["SIGTERM"])
    assert int(keys["TimeoutStopSec"][0]) > STOPS_WITHIN
    assert keys["User"] != ["root"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_hides_no_process_that_may_have_a_lease(name: str) -> None:
    """A process that cannot be seen counts as dead, and its work would be taken from it."""
    assert not {"ProtectProc", "ProcSubset", "PrivatePIDs", "PrivateUsers"} & unit(name).keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_itself_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        text = (DEPLOY / name).read_text().replace("/usr/local/lib/crossdock/bin/crossdock", sys.executable)
        (tmp_path / name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


# -- the image -------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile with their arguments."""
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip() and not line.startswith("#")]
    return [(name, rest) for name, rest in found]


def last(name: str) -> str:
    return next(rest for each, rest in reversed(instructions()) if each == name)


def test_the_image_runs_as_nobody_special_and_stops_when_asked() -> None:
    names = [name for name, _ in instructions()]

    assert names.count("FROM") == 2
    assert last("USER") == re.search(r"--uid (\d+)", " ".join(rest for _, rest in instructions()))[1]  # type: ignore[index]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert last("STOPSIGNAL") == "SIGTERM"
    takes(json.loads(last("CMD")))


def test_nothing_is_copied_that_is_not_there_or_left_out() -> None:
    left_out = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    copied = [rest.split()[0] for name, rest in instructions() if name == "COPY" and not rest.startswith("--from")]

    assert all((ROOT / each).is_dir() and f"!{each}" in left_out for each in copied)


def test_all_connectors_are_in_the_image() -> None:
    names = {f"crossdock-{path.parent.name}" for path in ROOT.glob("plugins/*/pyproject.toml")}

    assert names == set(
        re.findall(r"crossdock-[a-z]+", next(rest for _, rest in instructions() if "--no-index" in rest))
    )


@pytest.mark.slow
def test_the_steps_of_the_image_make_something_that_runs_is_healthy_and_stops(tmp_path: Path) -> None:
    places = {
        "/tools": tmp_path / "tools",
        "/wheels": tmp_path / "wheels",
        "/usr/local/lib/crossdock": tmp_path / "opt",
    }

    def here(text: str) -> str:
        for place, folder in places.items():
            text = re.sub(rf"{place}\b", str(folder), text)
        return text.replace(":8080/", f":{port}/").replace('"8080"', f'"{port}"')

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name in ("requirements", "core", "plugins"):
        shutil.copytree(ROOT / name, tmp_path / "build" / name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CROSSDOCK_", "PYTHONPATH"))}
    for name, rest in instructions():
        if name == "RUN" and "pip" in rest:
            step = here(rest).replace("python -m venv", f"{sys.executable} -m venv")
            done = subprocess.run(
                ["bash", "-c", step], cwd=tmp_path / "build", env=clean, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{step}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    shutil.rmtree(tmp_path / "build")

    home = tmp_path / "project"
    home.mkdir()
    entry = json.loads(here(last("ENTRYPOINT")))
    running = subprocess.Popen(
        [*entry, *json.loads(here(last("CMD")))], cwd=home, env={**clean, "CROSSDOCK_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        assert running.stdout is not None
        assert any("Runs with 8 workers; webhooks are taken in at" in line for line in running.stdout)
        health = json.loads(here(last("HEALTHCHECK").partition(" CMD ")[2]))
        assert subprocess.run(health, env=clean, check=False).returncode == 0
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=STOPS_WITHIN) == 0
        assert subprocess.run(health, env=clean, check=False, stderr=subprocess.DEVNULL).returncode != 0
    finally:
        running.kill()
        running.communicate()


def test_the_services_fit_the_image() -> None:
    services: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = {name: each for name, each in services.items() if each["image"] == "crossdock"}

    assert ours["worker"]["deploy"]["replicas"] == 2
    for each in ours.values():
        takes(each.get("command", json.loads(last("CMD"))))
        assert (each["read_only"], each["cap_drop"], each["stop_signal"]) == (True, ["ALL"], "SIGTERM")
        assert int(each["stop_grace_period"].removesuffix("s")) > STOPS_WITHIN
        assert each["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "ports" not in services["database"], "nobody else needs to reach the database"
