"""Who may sign in, and which API keys there are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from genco.serving.keys import Key, list_keys
from genco.serving.tables import sessions
from genco.studio.studio import Studio
from genco.studio.users import list_users


@dataclass(frozen=True)
class Person:
    """sessions: that are open now."""

    name: str
    role: str
    created_at: int
    sessions: int


@dataclass(frozen=True)
class People:
    """Oldest first; revoked keys included, secrets never."""

    people: tuple[Person, ...]
    keys: tuple[Key, ...]


def people(studio: Studio) -> People:
    """Everybody as they are now."""
    engine, now = studio.service.engine, studio.service.clock.now()
    with engine.connect() as connection:
        query = select(sessions.c.user_name, func.count()).where(sessions.c.expires_at > now)
        opened = {name: int(number) for name, number in connection.execute(query.group_by(sessions.c.user_name))}
    found = (Person(user.name, user.role, user.created_at, opened.get(user.name, 0)) for user in list_users(engine))
    return People(tuple(found), tuple(list_keys(engine)))
