"""TOML files written whole or not at all, and read with errors that name the file."""

from __future__ import annotations

import os
import tomllib
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from genco.errors import DataError, GencoError


def save_toml(path: Path, table: Mapping[str, Any], error_type: type[GencoError] = DataError) -> None:
    """Write `table` as TOML, replacing `path` in one step. Raises `error_type` on a value TOML does not have (None)."""
    try:
        content = tomli_w.dumps(table)
    except TypeError as error:
        raise error_type(f"{path}: values that TOML can hold are expected. {error}") from error
    replace_file(path, content.encode())


def load_toml(path: Path, error_type: type[GencoError] = DataError) -> dict[str, Any]:
    """Read a TOML file. Raises `error_type` naming it if it is missing or broken."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise error_type(f"{path}: the file is missing.") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise error_type(f"{path}: cannot be read as TOML. {error}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` under another name, flush it to disk, and rename it to `path`: readers see old or new, whole."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
