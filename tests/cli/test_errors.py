"""How commands end when something is wrong that is not the data."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from tests.kits.command_line import assert_refused, genco


def test_a_full_disk_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import polars as pl

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "elements.parquet")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    result = genco("simulate", "--scenario", "pairs_dense", "--impressions", "10", "--out", tmp_path / "d")
    assert_refused(result, "elements.parquet", "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = genco("simulate", "--scenario", "pairs_dense", "--impressions", "10", "--out", tmp_path / "file" / "d")
    assert_refused(result, "file")


def test_an_error_of_several_lines_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from genco import api
    from genco.errors import DataError

    def refuse(*arguments: object) -> None:
        raise DataError("first\n  second")

    monkeypatch.setattr(api, "validate", refuse)
    assert_refused(genco("validate", tmp_path), "first second")


def test_the_list_of_commands_is_readable_whole() -> None:
    listed = genco("--help").stdout.partition("Commands:")[2]
    assert "train" in listed and "..." not in listed


def test_ctrl_c_while_the_words_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.core import TyperGroup

    def stop(*arguments: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(TyperGroup, "parse_args", stop)
    assert_refused(genco("--version"), "interrupted. Nothing was written.", code=130)


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from genco import api

    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(api, "validate", fail)
    assert isinstance(genco("validate", tmp_path).exception, ZeroDivisionError)
