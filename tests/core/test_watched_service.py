"""A service as a real process: it tells how it stands, tells people, and logs for machines."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request

import pytest
from alert_kit import receiving

pytestmark = pytest.mark.slow


def ask(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        return answer.read().decode()


def test_a_service_is_ready_shows_figures_and_sends_its_alert_once(crossdock):
    crossdock.connect("shop")
    with receiving() as receiver:
        (crossdock.home / "crossdock.toml").write_text(f'[alerts.webhook]\nurl = "{receiver.url}"\n')
        crossdock.run("apply", "--yes")
        crossdock.run("connection", "pause", "shop")
        service = crossdock.start("webhook", "serve", "--json", stdout=subprocess.PIPE)
        try:
            lines = []
            while not lines or lines[-1] != b"}\n":
                lines.append(service.stdout.readline())
            url = json.loads(b"".join(lines))["url"]
            end = time.monotonic() + 20
            while not receiver.taken and time.monotonic() < end:
                time.sleep(0.02)
            ready, figures = ask(f"{url}/readyz"), ask(f"{url}/metrics")
        finally:
            service.send_signal(signal.SIGTERM)
            _, log = service.communicate(timeout=20)

    assert json.loads(ready) == {"status": "ready", "reasons": []}
    assert 'crossdock_connection_active{connection="shop",connector="acme",state="paused"} 0.0' in figures
    assert [body["alerts"][0]["subject"] for _, body in receiver.taken] == ["shop"]
    told = [json.loads(line) for line in log.decode().splitlines() if line.startswith("{")]
    assert [line["event"] for line in told] == ["housekeeping done"]
