"""`genco users`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from genco.cli.options import AsJson, Store
from genco.cli.output import show

users = typer.Typer(no_args_is_help=True, help="People who may sign in to the studio.")
Name = Annotated[str, typer.Argument(help="1 to 40 letters, digits or any of . _ - @")]


class Role(StrEnum):
    """Roles of `genco.studio.users.ROLES`."""

    viewer = "viewer"
    editor = "editor"
    admin = "admin"


@users.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="Viewers read, editors change what may be shown, admins change all.")],
    password: Annotated[
        str,
        typer.Option(
            help="At least 10 characters; asked for where it is left out.",
            prompt=True,
            hide_input=True,
            confirmation_prompt=True,
            envvar="GENCO_USER_PASSWORD",
        ),
    ],
    store: Store = "genco.db",
    json: AsJson = False,
) -> None:
    """Let someone sign in: the store keeps only the password's hash."""
    from genco.serving.audit import note
    from genco.serving.keys import CLI
    from genco.serving.store import open_store
    from genco.studio.users import add_user

    now = time.time_ns() // 1_000
    with open_store(store).begin() as connection:
        user = add_user(connection, name, role.value, password, now)
        note(connection, now, CLI, "add_user", {"name": name, "role": role.value})
    show(vars(user), f"{user.name} may sign in as {user.role}", json)


@users.command("list")
def list_(store: Store = "genco.db", json: AsJson = False) -> None:
    """List users: name, role, when made."""
    from genco.serving.store import open_existing_store
    from genco.studio.users import list_users

    found = list_users(open_existing_store(store))
    lines = [
        f"{user.name}  {user.role}  {datetime.fromtimestamp(user.created_at / 1e6, UTC):%F %H:%M}" for user in found
    ]
    show({"users": [vars(user) for user in found]}, "\n".join(lines), json)


@users.command("remove")
def remove(name: Name, store: Store = "genco.db", json: AsJson = False) -> None:
    """Let someone sign in no longer; their sessions end at once."""
    from genco.serving.audit import note
    from genco.serving.keys import CLI
    from genco.serving.store import open_existing_store
    from genco.studio.users import remove_user

    with open_existing_store(store).begin() as connection:
        remove_user(connection, name)
        note(connection, time.time_ns() // 1_000, CLI, "remove_user", {"name": name})
    show({"name": name}, f"{name} is removed", json)
