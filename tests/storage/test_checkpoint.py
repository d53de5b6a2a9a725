"""Arrays of a run: exact round trips, and refusal of damaged files and other schemas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from genco.errors import CheckpointError
from genco.storage.checkpoint import load_arrays, load_toml, save_arrays, save_toml

DTYPES = st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_, np.float16])
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.dictionaries(st.text(min_size=1, max_size=8), arrays_of.arrays(DTYPES, SHAPES), max_size=4)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=ARRAYS, schema=st.text(max_size=8))
def test_round_trip_is_exact(tmp_path: Path, arrays: dict[str, np.ndarray], schema: str) -> None:
    arrays.pop("__metadata__", None)
    save_arrays(tmp_path / "a.safetensors", arrays, schema)
    loaded = load_arrays(tmp_path / "a.safetensors", schema)
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()


def test_strided_arrays(tmp_path: Path) -> None:
    array = np.arange(12.0).reshape(3, 4)
    save_arrays(tmp_path / "a", {"t": array.T, "s": array[:, ::2]}, "s")
    loaded = load_arrays(tmp_path / "a", "s")
    np.testing.assert_array_equal(loaded["t"], array.T)
    np.testing.assert_array_equal(loaded["s"], array[:, ::2])


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"w": np.arange(10, dtype=np.float32)}, "run-1")
    content = path.read_bytes()
    for position in range(len(content)):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(CheckpointError, match=r"a.safetensors"):
            load_arrays(path, "run-1")
    path.write_bytes(content[:-1])
    with pytest.raises(CheckpointError, match=r"a complete file of arrays is expected"):
        load_arrays(path, "run-1")


def test_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match=r"a.safetensors: the file is missing"):
        load_arrays(path, "s")
    save_arrays(path, {"w": np.zeros(3)}, "run-1")
    with pytest.raises(CheckpointError, match=r"schema 'run-2' is expected. Found 'run-1'"):
        load_arrays(path, "run-2")
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match=r"is damaged. Expected sha256 [0-9a-f]{64}. Found [0-9a-f]{64}"):
        load_arrays(path, "run-1")
    for bad in (np.array(["a"]), np.array([None])):
        with pytest.raises(CheckpointError, match=r"array 'w': numbers are expected. Found type"):
            save_arrays(path, {"w": bad}, "s")


def test_failed_save_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.safetensors"
    save_arrays(path, {"w": np.ones(3)}, "s")

    def fail(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("genco.storage.toml_file.os.fsync", fail)
    with pytest.raises(OSError, match=r"no space"):
        save_arrays(path, {"w": np.zeros(3)}, "s")
    assert load_arrays(path, "s")["w"].tolist() == [1, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_equal_arrays_give_equal_files(tmp_path: Path) -> None:
    contents = set()
    for number in range(8):
        save_arrays(tmp_path / f"{number}", {"b": np.arange(3.0), "a": np.ones(2, dtype=np.uint8)}, "s")
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


def test_toml(tmp_path: Path) -> None:
    table = {"schema": "run-1", "finished": False, "config": {"rate": 0.1, "名": ["a", "b"]}, "seed": 3}
    save_toml(tmp_path / "run.toml", table)
    assert load_toml(tmp_path / "run.toml") == table
    with pytest.raises(CheckpointError, match=r"run.toml: values that TOML can hold are expected"):
        save_toml(tmp_path / "run.toml", {"a": None})
    with pytest.raises(CheckpointError, match=r"absent.toml: the file is missing"):
        load_toml(tmp_path / "absent.toml")
    (tmp_path / "run.toml").write_text("a = ")
    with pytest.raises(CheckpointError, match=r"run.toml: cannot be read as TOML"):
        load_toml(tmp_path / "run.toml")
