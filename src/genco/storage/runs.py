"""A run folder: named parts written atomically, so that a kill at any moment leaves something to resume from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.errors import CheckpointError
from genco.storage.checkpoint import load_arrays, load_toml, save_arrays, save_toml
from genco.storage.parquet_table import read_parquet_table, write_parquet_table

SCHEMA = "genco-run-1"
HELD_OUT_FILE = "held_out.json"
Arrays = dict[str, NDArray[Any]]


class RunFolder:
    """One training run on disk. `info` is what `run.toml` says."""

    def __init__(self, path: Path, info: dict[str, Any]) -> None:
        self.path, self.info = path, info

    @classmethod
    def create(
        cls, path: Path, config: Mapping[str, Any], fingerprint: str, resume: bool = False, overwrite: bool = False
    ) -> RunFolder:
        """A fresh folder, or the one to resume. Raises `CheckpointError` where that cannot be."""
        run = cls.existing(path, config, fingerprint, resume=resume, overwrite=overwrite)
        if run is not None:
            for leftover in [*path.glob(".*.part"), *path.glob(".*.tmp")]:
                leftover.unlink()
            return run
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        info = {"schema": SCHEMA, "finished": False, "fingerprint": fingerprint, "config": dict(config)}
        save_toml(path / "run.toml", info)
        return cls(path, info)

    @classmethod
    def existing(
        cls, path: Path, config: Mapping[str, Any], fingerprint: str, resume: bool = False, overwrite: bool = False
    ) -> RunFolder | None:
        """The run at `path` to resume, or None where a fresh one may be made. Touches nothing.

        Raises `CheckpointError` where neither is so.
        """
        if path.is_file():
            raise CheckpointError(f"A folder is expected for the run. Found a file at {str(path)!r}.")
        if (path / "run.toml").exists() and not overwrite:
            run = cls.open(path, finished=False)
            if not resume:
                raise CheckpointError(
                    f"Run folder {str(path)!r} exists. Give --resume to continue it, --overwrite to replace it, or "
                    "another --out."
                )
            if run.info["fingerprint"] != fingerprint:
                raise CheckpointError(f"Run folder {str(path)!r} was started on other data than it is resumed with.")
            if json.dumps(run.info["config"], sort_keys=True) != json.dumps(dict(config), sort_keys=True):
                raise CheckpointError(f"Run folder {str(path)!r} was started with another configuration.")
            return run
        if path.exists() and any(path.iterdir()) and not (path / "run.toml").exists():
            raise CheckpointError(f"Folder {str(path)!r} is not empty and not a run. Give another --out.")
        return None

    @classmethod
    def open(cls, path: Path, finished: bool = True) -> RunFolder:
        """An existing run. Raises `CheckpointError` where it is missing, of another schema, or not `finished`."""
        file = path / "run.toml"
        if not file.exists():
            raise CheckpointError(f"{str(path)!r} is not a run folder: it has no run.toml.")
        info = load_toml(file)
        if info.get("schema") != SCHEMA:
            raise CheckpointError(f"{file}: schema should be {SCHEMA!r}. Found {info.get('schema')!r}.")
        if finished and not info.get("finished"):
            raise CheckpointError(f"Run {str(path)!r} was interrupted. Continue it with: genco train --resume ...")
        return cls(path, info)

    def discard(self) -> None:
        """Remove the folder, as though the run had never been started."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def finished(self) -> bool:
        return bool(self.info.get("finished"))

    def save_arrays(self, name: str, arrays: Arrays, description: Mapping[str, Any]) -> None:
        self.write_json(f"{name}.json", description)
        save_arrays(self.path / f"{name}.safetensors", arrays, schema=f"{SCHEMA}/{name}")

    def load_arrays(self, name: str) -> tuple[Arrays, dict[str, Any]]:
        arrays = load_arrays(self.path / f"{name}.safetensors", schema=f"{SCHEMA}/{name}")
        return arrays, self.read_json(f"{name}.json")

    def save_progress(self, arrays: Arrays, description: Mapping[str, Any]) -> None:
        """One file holds arrays and description, so that the two can never disagree after a kill."""
        text = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
        save_arrays(self.path / "progress.safetensors", {**arrays, "description": text}, schema=f"{SCHEMA}/progress")

    def load_progress(self) -> tuple[Arrays, dict[str, Any]] | None:
        """Arrays and description of the interrupted generator training, or None where there is nothing whole."""
        file = self.path / "progress.safetensors"
        if not file.exists():
            return None
        try:
            arrays = load_arrays(file, schema=f"{SCHEMA}/progress")
        except CheckpointError:
            return None
        description = json.loads(bytes(arrays.pop("description")).decode())
        return arrays, description

    def write_json(self, name: str, value: Any) -> None:
        temporary = self.path / f".{name}.tmp"
        temporary.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        os.replace(temporary, self.path / name)

    def read_json(self, name: str) -> Any:
        file = self.path / name
        try:
            return json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CheckpointError(f"Run {str(self.path)!r} has no {name}.") from error
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{file} is damaged: {error}.") from error

    def write_table(self, name: str, table: pl.DataFrame) -> None:
        temporary = self.path / f".{name}.tmp"
        write_parquet_table(temporary, table)
        os.replace(temporary, self.path / f"{name}.parquet")

    def read_table(self, name: str) -> pl.DataFrame:
        file = self.path / f"{name}.parquet"
        if not file.exists():
            raise CheckpointError(f"Run {str(self.path)!r} has no {file.name}.")
        return read_parquet_table(file)

    def finish(self, measured: Mapping[str, Any]) -> None:
        """Mark the run complete with what was measured; progress files go."""
        self.info = {**self.info, "finished": True, "measured": dict(measured)}
        save_toml(self.path / "run.toml", self.info)
        for leftover in self.path.glob("progress.*"):
            leftover.unlink()
