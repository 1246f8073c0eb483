"""What a Crossdock database contains: ``python -m benchmarks.contents DATABASE`` prints orders, cents and effects."""

from __future__ import annotations

import json
import sqlite3
import sys
from typing import Any


def main() -> None:
    """Count."""
    target = sys.argv[1]
    db: Any
    if target.startswith("postgres"):
        import psycopg

        db = psycopg.connect(target)
    else:
        db = sqlite3.connect(target)
    count, total = db.execute("SELECT count(*), sum(total) FROM orders").fetchone()
    (effects,) = db.execute("SELECT count(*) FROM effect").fetchone()
    print(json.dumps([count, round((total or 0) * 100), effects]))


if __name__ == "__main__":
    main()
