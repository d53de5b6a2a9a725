"""A file that is complete or not there at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genco.errors import DataError


@contextmanager
def new_file(path: Path, overwrite: bool) -> Iterator[Path]:
    """A hidden file beside `path` to write to, renamed to it at the end and removed after an error.

    Raises `DataError` where `path` exists and is not to be overwritten, or is a folder.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        raise DataError(
            f"{path}: a file that does not exist yet is expected (`overwrite` replaces it). Found it in place."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
