"""What a supervisor such as systemd is told of the runner: that it works, still works, and stops.

The protocol is that of ``sd_notify``: datagrams to the socket that ``NOTIFY_SOCKET`` names; without one, none.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

import attrs

from crossdock.clock import monotonic


@attrs.define
class Supervisor:
    """Who started this process and wants to know how it is. `every`: seconds between signs of life; 0: none wanted."""

    address: str = ""
    every: float = 0.0
    _said: float = attrs.field(factory=monotonic)

    @classmethod
    def found(cls, environment: MutableMapping[str, str]) -> Supervisor:
        """The supervisor that an environment names; taken out of it, so that no child speaks for this process."""
        address = environment.pop("NOTIFY_SOCKET", "")
        period = environment.pop("WATCHDOG_USEC", "")
        meant = environment.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        # Twice as often as it has to be, as systemd's own pages advise.
        every = int(period) / 2_000_000 if period.isdigit() and meant else 0.0
        # A name that begins with @ is in the abstract namespace, which the kernel writes as a zero byte.
        return cls(f"\0{address[1:]}" if address.startswith("@") else address, every)

    def ready(self, status: str) -> None:
        """It works from now on; `status` is shown to people."""
        self._tell(f"READY=1\nSTATUS={status}")

    def lives(self, quiet: float) -> None:
        """Call it often: a sign of life is sent when one is due and the work was seen going on `quiet` seconds ago."""
        now = monotonic()
        if self.every and now - self._said >= self.every and quiet < self.every:
            self._said = now
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """It was asked to stop and will."""
        self._tell("STOPPING=1\nSTATUS=Stops at the next safe points.")

    def _tell(self, text: str) -> None:
        if not self.address:
            return
        # A supervisor that does not listen is no reason to stop work, nor to wait.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.setblocking(False)
            door.connect(self.address)
            door.send(text.encode())
