"""A process that reads and delivers once: started, and killed, by `test_engine_kill`.

Arguments: the folder with the plugins, the project folder, the database.
"""

import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from crossdock.app import App
from crossdock.engine.pull import pull
from crossdock.engine.push import push

with App(Path(sys.argv[2]), sys.argv[3]) as app:
    bench = app.bench
    flow = app.store.config.flow("orders")
    bench.open("shop")
    bench.open("erp")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pulled = pull(bench, "shop", "orders")
    pushed = push(bench, flow, patience=timedelta(seconds=30))
    sys.stdout.write(f"{pulled.state} {pushed.state} {pulled.error or ''} {pushed.error or ''}\n")
