"""A worker that looks for itself twice a second: what jobs on PostgreSQL are measured against."""

from __future__ import annotations

import signal

from crossdock.app import App
from crossdock.runner.embedded import Embedded


def main() -> None:
    """Work until SIGTERM."""
    with App() as app:
        signal.signal(signal.SIGTERM, lambda *_: app.clock.stop())
        runner = Embedded(app.bench, kind="worker")
        runner.start()
        print("started", flush=True)
        while not app.clock.stopping:
            app.clock.sleep(0.2)
        runner.stop(8)


if __name__ == "__main__":
    main()
