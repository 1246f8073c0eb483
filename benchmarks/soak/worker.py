"""``python -m benchmarks.soak.worker run …``: the command `crossdock` on the soak's clock."""

from __future__ import annotations

from benchmarks.soak.clock import install

install()

if __name__ == "__main__":
    from crossdock.cli import main

    main(prog_name="crossdock")
