"""A new connector: a small whole one for a made-up system, in the shape that its author's system has."""

from __future__ import annotations

from crossdock.scaffold.choices import AUTHS, PAGINGS, STREAMS, WEBHOOKS, WRITES, Choices
from crossdock.scaffold.writing import write

__all__ = ["AUTHS", "PAGINGS", "STREAMS", "WEBHOOKS", "WRITES", "Choices", "write"]
