"""Arrays and tables of a run: safetensors and TOML, no pickle. Each file is replaced in one step and checks itself.

The schema and a sha256 of the arrays stand in the file's own header, so that no kill can part them from the arrays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genco.errors import CheckpointError
from genco.storage import toml_file
from genco.storage.toml_file import replace_file

Arrays = Mapping[str, NDArray[Any]]


def save_arrays(path: Path, arrays: Arrays, schema: str) -> None:
    """Write arrays of numbers under their names; `schema` says what they mean. Raises `CheckpointError` on others."""
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise CheckpointError(f"{path}, array {name!r}: numbers are expected. Found type {array.dtype}.")
    plain = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    replace_file(path, _in_fixed_order(save(plain, metadata={"schema": schema, "sha256": _sha256(plain)})))


def load_arrays(path: Path, schema: str) -> dict[str, NDArray[Any]]:
    """Read what `save_arrays` wrote.

    Raises `CheckpointError` naming file, expected and found if the file is missing, damaged, or of another schema.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: the file is missing.")
    try:
        with safe_open(path, framework="numpy") as file:
            found = dict(file.metadata() or {})
            if found.get("schema") != schema:
                raise CheckpointError(f"{path}: schema {schema!r} is expected. Found {found.get('schema')!r}.")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: a complete file of arrays is expected. {error}") from error
    actual = _sha256(arrays)
    if actual != found.get("sha256"):
        raise CheckpointError(f"{path}: the file is damaged. Expected sha256 {found.get('sha256')}. Found {actual}.")
    return arrays


def save_toml(path: Path, table: Mapping[str, Any]) -> None:
    """Write a TOML file, replacing `path` in one step. Raises `CheckpointError` on a value TOML does not have."""
    toml_file.save_toml(path, table, CheckpointError)


def load_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file. Raises `CheckpointError` naming it if it is missing or broken."""
    return toml_file.load_toml(path, CheckpointError)


def _in_fixed_order(content: bytes) -> bytes:
    """The same safetensors file with its metadata sorted: the writer leaves their order to chance."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _sha256(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
