"""Folders of killed writers go with the next one of the same path; those in use stay."""

from __future__ import annotations

import os
from pathlib import Path

from genco.storage.part_folder import LEAST_AGE, part_folder


def _aged(folder: Path) -> Path:
    (folder / "inside").mkdir(parents=True)
    old = folder.stat().st_mtime - 2 * LEAST_AGE
    os.utime(folder, (old, old))
    return folder


def test_left_behind(tmp_path: Path) -> None:
    mark = "0" * 32
    killed = _aged(tmp_path / f".d.{mark}.part")
    others = {_aged(tmp_path / f".{name}.{mark}.part") for name in ("dd", "d.e", "e")}
    set_aside = _aged(tmp_path / f".d.{mark}.old")
    with part_folder(tmp_path / "d") as folder:
        assert not killed.exists()
        assert set(tmp_path.iterdir()) == {folder, set_aside, *others}
    assert set(tmp_path.iterdir()) == {set_aside, *others}


def test_in_use_or_just_made(tmp_path: Path) -> None:
    with part_folder(tmp_path / "d") as held:
        _aged(held)
        young = tmp_path / f".d.{'1' * 32}.part"
        young.mkdir()
        with part_folder(tmp_path / "d"):
            assert held.exists()
            assert young.exists()
