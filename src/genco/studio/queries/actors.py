"""Who an act is put down to, for readers."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from genco.serving.tables import keys

PERSON = "user:"


def actor_names(connection: Connection, actors: Iterable[str]) -> dict[str, str]:
    """A person's name, or that of an API key; what is neither keeps its own."""
    wanted = set(actors)
    named = {actor: actor.removeprefix(PERSON) for actor in wanted}
    found = connection.execute(select(keys.c.key_id, keys.c.name).where(keys.c.key_id.in_(wanted)))
    return named | {key_id: f"key {name} ({key_id})" for key_id, name in found}
