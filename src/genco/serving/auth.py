"""Who may do what: the key of a request, its scope and its rate."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from genco.serving.errors import ApiError
from genco.serving.keys import Key, key_hash, num_revoked, valid_keys

REFRESH_SECONDS = 2.0
WRITING = ("decide", "ingest")  # scopes of requests that the writer sees
PERSONALIZER_HEADER = "ocp-apim-subscription-key"


class Gate:
    """Checks keys against a copy of the stored ones, at most `REFRESH_SECONDS` old while the store answers.

    A revoked key has no effect from then on: requests that write are looked at again in the transaction that writes
    (`look` and `confirm`), for others the keys are read anew. rate_per_second: of one key; as many again may come at
    once.
    """

    def __init__(self, engine: Engine, rate_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._rate, self._clock = engine, rate_per_second, clock
        self._taking = threading.Lock()
        with engine.connect() as connection:
            self._keys = valid_keys(connection)
        self._read_at = clock()
        self._lock = asyncio.Lock()
        self._tokens: dict[str, tuple[float, float]] = {}

    async def require(self, request: Request, scope: str) -> Key:
        """The request's key. Raises `ApiError`: 401 without a valid key, 403 without the scope, 429 above the rate."""
        secret = _secret_of(request)
        if secret is None:
            raise ApiError(401, "key_missing", "Send a key: `Authorization: Bearer KEY`.")
        if self._clock() - self._read_at > REFRESH_SECONDS:
            await self._refresh()
        key = self._keys.by_hash.get(key_hash(secret))
        if key is None:
            raise _unknown()
        if scope not in key.scopes:
            raise ApiError(403, "scope_missing", f"The key lacks the scope `{scope}`. It has: {' '.join(key.scopes)}.")
        self._count(key)
        if scope not in WRITING:
            await self._read()
            self.confirm(key)
        return key

    def _count(self, key: Key) -> None:
        """A token bucket a key."""
        now = self._clock()
        tokens, at = self._tokens.get(key.key_id, (self._rate, now))
        tokens = min(self._rate, tokens + (now - at) * self._rate)
        if tokens < 1:
            wait = math.ceil((1 - tokens) / self._rate)
            raise ApiError(
                429, "rate_exceeded", f"More than {self._rate:g} requests a second came with this key.", wait
            )
        self._tokens[key.key_id] = tokens - 1, now

    def look(self, connection: Connection) -> None:
        """Take note of what was revoked, in a transaction that is about to write."""
        if num_revoked(connection) != self._keys.num_revoked:
            self._take(connection)

    def confirm(self, key: Key) -> None:
        """Raises `ApiError` 401 where the key of a request is known to be revoked by now."""
        if key.key_id not in self._keys.ids:
            raise _unknown()

    def reload(self) -> None:
        """Read the keys now."""
        with self._engine.connect() as connection:
            self._take(connection)

    def _take(self, connection: Connection) -> None:
        """Of readings side by side the newest stays."""
        found = valid_keys(connection)
        with self._taking:
            if found.num_revoked >= self._keys.num_revoked:
                self._keys = found

    async def _refresh(self) -> None:
        """Read the keys again; one reader at a time. While the store is away, the last copy stays in force."""
        if self._lock.locked():
            return
        async with self._lock:
            self._read_at = self._clock()
            await self._read()

    async def _read(self) -> None:
        try:
            await asyncio.to_thread(self.reload)
        except SQLAlchemyError:
            return


def _unknown() -> ApiError:
    return ApiError(401, "key_unknown", "The key is not known, or revoked.")


def _secret_of(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    kind, _, secret = header.partition(" ")
    if kind.lower() == "bearer" and secret:
        return secret.strip()
    return request.headers.get(PERSONALIZER_HEADER)
