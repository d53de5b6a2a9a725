"""Hidden folders that datasets are written in. The writing process holds its own: what a killed one left is known."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEAST_AGE = 60.0
"""Seconds. A younger folder may be one that its process has made and not held yet."""


@contextmanager
def part_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside `path`, removed at the end if still there. What killed writers of `path` left goes."""
    _remove_left_behind(path)
    folder = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    folder.mkdir()
    held = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if held is not None:
            os.close(held)


def _remove_left_behind(path: Path) -> None:
    name = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]{32}\.part")
    for folder in path.parent.iterdir():
        if not name.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        held = _hold(folder) if time.time() - folder.stat().st_mtime > LEAST_AGE else None
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(held)


def _hold(folder: Path) -> int | None:
    """A descriptor that holds `folder` until closed or the process ends; None where held, or gone meanwhile."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
