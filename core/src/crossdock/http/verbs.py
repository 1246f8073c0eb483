"""The verbs of an HTTP session, the same wherever its requests are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connection import Upload
from crossdock.http.answer import Answer
from crossdock.http.parts import Params

ATTEMPTS = 4


class Verbs:
    """Reading and writing in few words; `request` does the work."""

    def get(
        self, path: str, params: Params | None = None, *, budget: str = "", headers: Mapping[str, str] | None = None,
        timeout: float | None = None, attempts: int = ATTEMPTS,
    ) -> Answer:  # fmt: skip
        """Read. Raises the `ConnectorError` that the answer deserves; never returns an error answer."""
        return self.request("GET", path, params, budget=budget, headers=headers, timeout=timeout, attempts=attempts)

    def post(
        self, path: str, json: Any = None, *, params: Params | None = None, create: bool = False, safe: bool = False,
        budget: str = "", headers: Mapping[str, str] | None = None, timeout: float | None = None,
        upload: Upload | None = None,
    ) -> Answer:  # fmt: skip
        """Write. Say `create=True` when doing it twice would make two, `safe=True` when it would not."""
        return self.request("POST", path, params, json=json, create=create, budget=budget, headers=headers,
                            timeout=timeout, attempts=ATTEMPTS if safe else 1, upload=upload)  # fmt: skip

    def put(
        self, path: str, json: Any = None, *, params: Params | None = None, budget: str = "",
        headers: Mapping[str, str] | None = None, timeout: float | None = None,
    ) -> Answer:  # fmt: skip
        """Write absolute values: repeated on passing trouble, because doing it twice is doing it once."""
        return self.request("PUT", path, params, json=json, budget=budget, headers=headers, timeout=timeout)

    def delete(self, path: str, *, params: Params | None = None, budget: str = "") -> Answer:
        """Delete; repeated on passing trouble."""
        return self.request("DELETE", path, params, budget=budget)

    def request(
        self, method: str, path: str, params: Params | None = None, *, json: Any = None, content: bytes | None = None,
        create: bool = False, budget: str = "", headers: Mapping[str, str] | None = None,
        timeout: float | None = None, attempts: int = ATTEMPTS, raw: bool = False, upload: Upload | None = None,
        anonymous: bool = False,
    ) -> Answer:  # fmt: skip
        """Any request: each session says how."""
        raise NotImplementedError
