"""Every kind of bad input ends in one message with file, row and value, exit code 1, and nothing written."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run as run_process

import polars as pl
import pytest
from tests.kits.command_line import assert_refused, genco, genco_json, quick_config
from tests.kits.small_dataset import part, spoil, write_small

ELEMENTS = "catalogue/elements.parquet"
Spoil = Callable[[Path], object]


def _drop_column(folder: Path) -> None:
    pl.read_parquet(part(folder)).drop("title").write_parquet(part(folder))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _block_titles(folder: Path) -> None:
    table = pl.read_parquet(folder / ELEMENTS)
    blocked = pl.when(pl.col("component") == "title").then(pl.lit("blocked")).otherwise("status").alias("status")
    table.with_columns(blocked).write_parquet(folder / ELEMENTS)


PART = "part-00000.parquet"
BAD: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "missing column": (_drop_column, (PART, "'title'", "missing")),
    "unknown element": (lambda f: spoil(part(f), "title", 2, "t9"), (PART, "row 2", "'title'", "'t9'")),
    "unknown product": (lambda f: spoil(part(f), "product_id", 4, "p9"), (PART, "row 4", "'p9'")),
    "element of another product": (lambda f: spoil(part(f), "title", 0, "t3"), (PART, "row 0", "'t3'", "product")),
    "element of another component": (lambda f: spoil(part(f), "title", 0, "b1"), (PART, "row 0", "'b1'", "component")),
    "required slot empty": (lambda f: spoil(part(f), "title", 7, None), (PART, "row 7", "'title'", "required")),
    "negative count": (lambda f: spoil(part(f), "num_clicks", 3, -1), (PART, "row 3", "'num_clicks'", "-1")),
    "fractional count": (
        lambda f: spoil(part(f), "num_impressions", 5, 1.5, pl.Float64()),
        (PART, "row 5", "'num_impressions'", "1.5"),
    ),
    "clicks above impressions": (lambda f: spoil(part(f), "num_clicks", 1, 9), (PART, "row 1", "'num_clicks'", "9")),
    "propensity of zero": (lambda f: spoil(part(f), "propensity", 2, 0.0), (PART, "row 2", "'propensity'", "0.0")),
    "propensity above one": (lambda f: spoil(part(f), "propensity", 2, 1.5), (PART, "row 2", "(0, 1]", "1.5")),
    "duplicate impression_id": (lambda f: spoil(part(f), "impression_id", 6, "i1"), (PART, "row 6", "'i1'")),
    "empty folder": (_empty, ("data", "dataset.toml", "empty folder")),
    "truncated log": (lambda f: _truncate(part(f)), (PART, "complete Parquet file")),
    "truncated catalogue": (lambda f: _truncate(f / ELEMENTS), (ELEMENTS, "complete Parquet file")),
    "no approved element": (_block_titles, (ELEMENTS, "'title'", "approved")),
    "unreadable dataset.toml": (lambda f: (f / "dataset.toml").write_text("name = ["), ("dataset.toml", "TOML")),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small(tmp_path_factory.mktemp("sound") / "data")


@pytest.fixture
def data(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "data"))


def test_the_sound_dataset_trains(data: Path, tmp_path: Path) -> None:
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    assert result.exit_code == 0, result.output
    assert genco("validate", data).exit_code == 0


@pytest.mark.parametrize("kind", BAD)
def test_training_refuses_and_writes_nothing(kind: str, data: Path, tmp_path: Path) -> None:
    make_bad, mentioned = BAD[kind]
    make_bad(data)
    result = genco("train", "--data", data, "--out", tmp_path / "out" / "run", "--config", quick_config(tmp_path))
    assert_refused(result, *mentioned)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", BAD)
def test_validate_reports_it(kind: str, data: Path) -> None:
    make_bad, mentioned = BAD[kind]
    make_bad(data)
    result = genco("validate", data)
    assert result.exit_code == 1
    assert any(all(text in line for text in mentioned) for line in result.stdout.splitlines()), result.stdout


def test_a_refused_run_leaves_an_earlier_one_alone(data: Path, tmp_path: Path) -> None:
    config = quick_config(tmp_path)
    assert genco("train", "--data", data, "--out", tmp_path / "run", "--config", config).exit_code == 0
    before = (tmp_path / "run" / "generator.safetensors").read_bytes()
    spoil(part(data), "title", 2, "t9")
    again = genco("train", "--data", data, "--out", tmp_path / "run", "--config", config, "--overwrite")
    assert_refused(again, "'t9'")
    assert (tmp_path / "run" / "generator.safetensors").read_bytes() == before


def test_evaluation_refuses_doubled_ids_of_other_data(data: Path, tmp_path: Path) -> None:
    run = ("--run", tmp_path / "run", "--data", data)
    config = quick_config(tmp_path)
    assert genco("train", "--data", data, "--out", tmp_path / "run", "--config", config).exit_code == 0
    spoil(part(data), "impression_id", 6, "i1")
    spoil(part(data), "segment", 0, "a segment that makes the file longer")
    for more in ((), ("--ope",)):
        assert_refused(genco("evaluate", *run, *more), "row 6", "'i1'")


def test_a_log_without_impressions_leaves_no_run(data: Path, tmp_path: Path) -> None:
    table = pl.read_parquet(part(data)).with_columns(num_impressions=pl.lit(0), num_clicks=pl.lit(0))
    table.write_parquet(part(data))
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    assert_refused(result, "no impressions")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "mentioned"),
    [
        ("[trainin]\nsteps = 3", ("'trainin'", "'training'")),
        ("[training]\nstep = 3", ("'training.step'", "'training.steps'")),
        ("[training]\nsteps = 'many'", ("'training.steps'", "int", "'many'")),
        ("[training]\nsteps = -1", ("`steps`", "-1")),
        ('text = "bert"', ("`text`", "'bert'")),
        ("training = 3", ("'training'", "table", "3")),
        ("[training", ("TOML",)),
    ],
)
def test_config_typo(content: str, mentioned: tuple[str, ...], data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(content)
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", file)
    assert_refused(result, "mine.toml", *mentioned)
    assert not (tmp_path / "run").exists()


def test_a_minimum_share_of_no_element(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[decision.minimum_share]\nt1 = 0.1\nt9 = 0.1")
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", file)
    assert_refused(result, "`minimum_share`", "'t9'")
    assert not (tmp_path / "run").exists()


def _block(folder: Path, *elements: str) -> None:
    """Add `block` rules."""
    rules = [f'[[rules]]\nkind = "block"\nelement = "{name}"\n' for name in elements]
    text = (folder / "dataset.toml").read_text().replace("rules = []\n", "")
    (folder / "dataset.toml").write_text("\n".join([text, *rules]))


@pytest.mark.parametrize(
    "close", [lambda f: spoil(f / ELEMENTS, "status", 2, "pending"), lambda f: _block(f, "t3")], ids=["status", "rule"]
)
def test_a_product_with_nothing_to_show_is_left_out_and_said(close: Spoil, data: Path, tmp_path: Path) -> None:
    close(data)
    checked = genco("validate", data)
    assert checked.exit_code == 0
    assert "1 products have no legal combination; training leaves them out:\n  Product 'p2' has no" in checked.stdout
    assert genco_json("validate", data)["products_without_legal_combination"] == 1
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    assert result.exit_code == 0, result.output
    assert "left out, as they have no legal combination: 1 products\n    Product 'p2' has no" in result.stdout


def test_no_product_with_anything_to_show(data: Path, tmp_path: Path) -> None:
    _block(data, "t1", "t2", "t3")
    result = genco("validate", data)
    assert result.exit_code == 1
    assert "Found none of 2. The first reason: Product 'p1' has no legal combination" in result.stdout
    refused = genco("train", "--data", data, "--out", tmp_path / "run", "--config", quick_config(tmp_path))
    assert_refused(refused, "No product", "Product 'p1'")
    assert not (tmp_path / "run").exists()


def test_minimum_shares_that_no_decision_can_keep(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[decision.minimum_share]\nt1 = 0.6\nt2 = 0.5\nt3 = 0.1")
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", file)
    assert_refused(result, "`minimum_share`", "0.98 at most", "1.1 for product 'p1': 't1' = 0.6, 't2' = 0.5.")
    assert not (tmp_path / "run").exists()
    quick = quick_config(tmp_path).read_text()
    file.write_text(f"{quick}[decision.minimum_share]\nt1 = 0.5\nt2 = 0.4\nt3 = 0.9")
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", file)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b[:-4] + b"\xff\xfe\xfd\xfc", lambda b: b""])
def test_a_damaged_run_is_named(damage: Callable[[bytes], bytes], data: Path, tmp_path: Path) -> None:
    config = quick_config(tmp_path)
    assert genco("train", "--data", data, "--out", tmp_path / "run", "--config", config).exit_code == 0
    for name in ("catalogue.parquet", "products.parquet", "encoders.json", "reward_model.safetensors"):
        file = tmp_path / "run" / name
        before = file.read_bytes()
        file.write_bytes(damage(before))
        assert_refused(genco("generate", "--run", tmp_path / "run", "--product", "p1"), name)
        file.write_bytes(before)


def test_missing_config_file(data: Path, tmp_path: Path) -> None:
    result = genco("train", "--data", data, "--out", tmp_path / "run", "--config", tmp_path / "none.toml")
    assert_refused(result, "none.toml", "missing")


def test_in_a_process_of_its_own(data: Path, tmp_path: Path) -> None:
    spoil(part(data), "num_clicks", 1, 9)
    command = [Path(sys.executable).with_name("genco"), "train", "--data", data, "--out", tmp_path / "run", "--json"]
    done = run_process(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("genco: error: ") == 1
    assert "row 1" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
