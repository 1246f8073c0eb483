"""The fixtures of the Cdiscount connector's tests."""

from __future__ import annotations

from cdiscount_kit import sample_bytes, shops

__all__ = ["sample_bytes", "shops"]
