"""Ids the service mints: random, and signed so that nobody can make one up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

PREFIX = "g1."
_RANDOM_BYTES, _SIGNATURE_BYTES = 12, 9


class EventIds:
    """secret: of the store, the same for every process on it."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def mint(self) -> str:
        """A fresh id of 31 characters: `g1.`, 96 random bits, 72 bits of HMAC-SHA256 over them."""
        random = secrets.token_bytes(_RANDOM_BYTES)
        return PREFIX + base64.urlsafe_b64encode(random + self._sign(random)).decode()

    def is_forged(self, event_id: str) -> bool:
        """Whether the id claims to be minted here and is not."""
        if not event_id.startswith(PREFIX):
            return False
        try:
            raw = base64.b64decode(event_id[len(PREFIX) :], altchars=b"-_", validate=True)
        except ValueError:
            return True
        random, signature = raw[:_RANDOM_BYTES], raw[_RANDOM_BYTES:]
        return len(raw) != _RANDOM_BYTES + _SIGNATURE_BYTES or not hmac.compare_digest(signature, self._sign(random))

    def actor(self, actor_id: str) -> str:
        """Keyed hash of an actor's id, 32 hexadecimal digits: all the store ever sees of it."""
        return hmac.digest(self._secret, b"actor\x1f" + actor_id.encode(), "sha256")[:16].hex()

    def place(self, purpose: str, unit: str) -> float:
        """The unit's place in [0, 1) for this purpose: uniform, and the same for ever."""
        digest = hashlib.blake2b(f"{purpose}\x1f{unit}".encode(), digest_size=8, key=self._secret).digest()
        return int.from_bytes(digest, "little") / 2.0**64

    def holds_out(self, actor: str, share: float) -> bool:
        """Whether the actor (hashed) belongs to the holdout share."""
        return self.place("holdout", actor) < share

    def _sign(self, random: bytes) -> bytes:
        return hmac.digest(self._secret, b"event\x1f" + random, "sha256")[:_SIGNATURE_BYTES]
