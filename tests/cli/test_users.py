"""`genco users` and `genco studio`."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from genco.cli.main import app

PASSWORD = "a long enough password"


def run(*words: str, **also: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*words], **also)  # type: ignore[arg-type]
    return done.exit_code, done.output


def test_users_are_added_listed_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ("--store", str(tmp_path / "store.db"))
    code, said = run("users", "add", "ann", "--role", "editor", *store, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert code == 0 and "ann may sign in as editor" in said
    monkeypatch.setenv("GENCO_USER_PASSWORD", PASSWORD)
    assert run("users", "add", "ann", "--role", "viewer", *store)[0] == 1
    assert run("users", "add", "bob", "--role", "viewer", *store)[0] == 0
    assert run("users", "remove", "ann", *store)[0] == 0
    code, said = run("users", "list", *store)
    assert code == 0 and "bob  viewer" in said and "ann" not in said
    assert run("users", "remove", "ann", *store)[0] == 1


def test_the_studio_of_a_service_is_served_by_serve() -> None:
    code, said = run("studio")
    assert code == 1 and "genco serve" in said
