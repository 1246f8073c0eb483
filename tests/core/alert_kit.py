"""Alerts for tests: a mail server and an address on this machine, and what is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime
import email
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crossdock.alerts.turn import look

USER, PASSWORD = "crossdock", "mail-password-0815"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file, secret = folder / "server.pem", folder / "server.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file, secret


class MailServer:
    """Takes mail after STARTTLS and a login; `refuse` is what it answers instead, `mails` what it took."""

    def __init__(self, folder: Path) -> None:
        self.ca, key = certificate(folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.ca, key)
        self.mails: list[Message] = []
        self.refuse = ""
        self.plain_logins = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        assert self._ready.wait(5)

    def stop(self) -> None:
        """End."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._guarded, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = known = False

        def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")

        say("220 mail.example")
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            match word.upper():
                case "EHLO":
                    say("250-mail.example")
                    say("250 AUTH PLAIN" if secure else "250 STARTTLS")
                case "STARTTLS":
                    say("220 go on")
                    await writer.drain()
                    await writer.start_tls(self._tls)
                    secure = True
                case "AUTH":
                    self.plain_logins += not secure
                    given = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")[1:]
                    known = given == [USER, PASSWORD]
                    say("235 welcome" if known else f"535 not with {given[1]}")
                case "MAIL":
                    say(self.refuse or ("250 ok" if known else "530 log in first"))
                case "DATA":
                    say("354 go on")
                    text = b""
                    while not text.endswith(b"\r\n.\r\n"):
                        text += await reader.readline()
                    self.mails.append(email.message_from_bytes(text[:-5]))
                    say("250 taken")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 ok")


class Receiver:
    """Takes JSON; `status` is what it answers, `taken` what came: headers and body."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[dict[str, str], dict[str, Any]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if receiver.status == 200:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    receiver.taken.append((headers, json.loads(body)))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/a-secret-path"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def mail_server(folder: Path) -> Iterator[MailServer]:
    """A running mail server."""
    made = MailServer(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A running receiver."""
    made = Receiver()
    try:
        yield made
    finally:
        made.stop()


def decide(world: Any, **table: Any) -> None:
    """Put ``[alerts]`` in force."""
    world.store.preferences.put("alerts", table, world.clock.now())


def pause(world: Any, name: str = "shop") -> None:
    """A connection is refused."""
    world.store.config.set_state(name, "paused", "the token was refused", world.clock.now())


def told(world: Any) -> dict[str, list[str]]:
    """What one look changed: kinds and subjects by what became of them."""
    changes = look(world.app).changes
    return {what: [f"{row.kind} {row.subject}" for row in rows] for what, rows in changes.items() if rows}


def by_mail(server: MailServer, **more: Any) -> dict[str, Any]:
    """Settings of e-mail through a server."""
    return {
        "to": ["ops@example.com"], "from": "Crossdock <crossdock@example.com>", "host": "127.0.0.1",
        "port": server.port, "user": USER, "password": "env:MAIL_PASSWORD", "ca": str(server.ca), **more,
    }  # fmt: skip
