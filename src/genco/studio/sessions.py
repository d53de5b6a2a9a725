"""Who is signed in: server-side sessions, one-time links, and a brake on guessing passwords."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select

from genco.serving.errors import ApiError
from genco.serving.keys import key_hash
from genco.serving.tables import sessions, users
from genco.studio.users import User

HOURS, INVITATION_HOURS = 12, 24
MAX_FAILURES, FAILURES_SECONDS = 5, 300.0
MOST_AT_ONCE = 4


@dataclass(frozen=True)
class Session:
    """form_token: what a form must carry, so that no other site can send one in the reader's name."""

    user: User
    form_token: str


def open_session(connection: Connection, user: str, now: int) -> str:
    """Start a session of `user`; returns the secret for the cookie. Sessions past their time are forgotten."""
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    secret = secrets.token_urlsafe(32)
    row = {
        "hash": key_hash(secret),
        "user_name": user,
        "form_token": secrets.token_urlsafe(24),
        "created_at": now,
        "expires_at": now + HOURS * 3_600_000_000,
    }
    connection.execute(insert(sessions).values(**row))
    return secret


def find_session(engine: Engine, secret: str, now: int) -> Session | None:
    """The session of a cookie's secret while it lasts, with the user's role as it is now."""
    query = (
        select(sessions.c.form_token, users)
        .join(users, users.c.name == sessions.c.user_name)
        .where(sessions.c.hash == key_hash(secret), sessions.c.expires_at > now)
    )
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Session(User(row.name, row.role, row.created_at), row.form_token)


def close_session(connection: Connection, secret: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.hash == key_hash(secret)))


@dataclass(frozen=True)
class Link:
    """user: "" = the first admin, who does not exist yet · until: by the clock of `Links` · is_invitation: asks for a
    new password and works once; else it signs in · created_at: of the user invited."""

    user: str
    until: float
    is_invitation: bool = False
    created_at: int = 0


class Links:
    """Links that let in without a password; kept in this process only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._links: dict[str, Link] = {}

    def make(self, user: str) -> str:
        """A secret that signs in as `user` for as long as a session lasts; "" = as the first admin."""
        return self._keep(Link(user, self._clock() + HOURS * 3600))

    def invite(self, user: str, created_at: int) -> str:
        """A secret that lets `user` choose a password, once and within `INVITATION_HOURS`; an earlier one ends."""
        self.forget_invitations(user)
        return self._keep(Link(user, self._clock() + INVITATION_HOURS * 3600, True, created_at))

    def find(self, secret: str) -> Link | None:
        """The link of a secret while it lasts."""
        found = self._links.get(key_hash(secret))
        return found if found is not None and self._clock() < found.until else None

    def forget(self, secret: str) -> None:
        self._links.pop(key_hash(secret), None)

    def restore(self, secret: str, link: Link) -> None:
        """Let a forgotten link hold again, as what it was used for failed."""
        self._links[key_hash(secret)] = link

    def forget_invitations(self, user: str) -> None:
        """End the links of somebody who is no user any more, or who gets another one."""
        kept = {name: link for name, link in self._links.items() if not (link.is_invitation and link.user == user)}
        self._links = kept

    def _keep(self, link: Link) -> str:
        secret = secrets.token_urlsafe(24)
        self._links[key_hash(secret)] = link
        return secret


class Attempts:
    """Counts failed sign-ins by name and address, and those under way. Not kept over a restart."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str], list[float]] = {}
        self._under_way = 0

    @contextmanager
    def one(self, name: str, address: str) -> Iterator[None]:
        """An attempt, which has failed unless `succeeded` is called: many at once count one by one. Raises `ApiError`
        429 as `check` does, and while `MOST_AT_ONCE` are under way, for each of them keeps a core busy."""
        self.check(name, address)
        if self._under_way >= MOST_AT_ONCE:
            raise ApiError(429, "too_many_attempts", "Too many people are signing in. Try again in a second.", 1)
        self.failed(name, address)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def succeeded(self, name: str, address: str) -> None:
        """The attempt under way was right."""
        earlier = self._failures.pop((name, address), [])[:-1]
        if earlier:
            self._failures[name, address] = earlier

    def check(self, name: str, address: str) -> None:
        """Raises `ApiError` 429 after `MAX_FAILURES` in `FAILURES_SECONDS`."""
        recent = self._recent((name, address))
        if len(recent) >= MAX_FAILURES:
            wait = int(recent[0] + FAILURES_SECONDS - self._clock()) + 1
            raise ApiError(429, "too_many_attempts", f"Too many wrong passwords. Try again in {wait} seconds.", wait)

    def failed(self, name: str, address: str) -> None:
        key = name, address
        self._failures[key] = [*self._recent(key), self._clock()]

    def _recent(self, key: tuple[str, str]) -> list[float]:
        since = self._clock() - FAILURES_SECONDS
        for other in [name for name, times in self._failures.items() if times[-1] <= since]:
            del self._failures[other]
        return [at for at in self._failures.get(key, []) if at > since]
