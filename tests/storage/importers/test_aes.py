"""AES importer: both real tables, the constraint file by hand, and tables that contradict it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from tests.kits.importer import check_import, check_refusal, check_same_seed_same_dataset
from tests.kits.real_data import real_data

from genco.data.rules import Allow, Block, Only
from genco.errors import ConfigError, DataError
from genco.storage.importers.aes import PARTS, import_aes
from genco.storage.importers.aes_tree import TEMPLATE, legal_combinations, read_tree

TREE = "a, 1, 2\n1 1\nc, 2, 2\n1 0\n0 1\nd, 2, 1\n1\n1\nb, 1, 1\n1\n"
LEGAL = [(0, 0, 0, 0), (1, 0, 1, 0)]


def write_table(folder: Path, rows: list[str] | None = None, tree: str | None = TREE) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "ctr.txt"
    rows = rows if rows is not None else [f"{i} 0 {' '.join(map(str, c))} 0.{i + 1}" for i, c in enumerate(LEGAL)]
    path.write_text("\n".join(rows))
    if tree is not None:
        (folder / "tree_constraint.txt").write_text(tree)
    return path


@pytest.mark.parametrize("name", ["ctr_online", "ctr_new"])
def test_real_tables_have_200_legal_combinations(name: str, tmp_path: Path) -> None:
    source = real_data("aes") / f"{name}.txt"
    summary, dataset = check_import(import_aes, source, tmp_path / "out", 20_000, num_impressions=20_000)
    assert (summary.rows_read, summary.rows_written) == (200, 200)
    (rule,) = dataset.catalogue.rules
    assert isinstance(rule, Allow)
    assert rule.slots == ("background", "colour")
    dark, light = itertools.product("0", "0123"), itertools.product("1", "4567")
    assert set(rule.pairs) == {(f"background-{b}", f"colour-{c}") for b, c in [*dark, *light]}
    arrays, info = dataset.read_truth()
    assert info["kind"] == "table"
    assert arrays["keys"].shape == (200, 5)
    published = np.loadtxt(source)
    np.testing.assert_allclose(np.sort(arrays["rates"]), np.sort(published[:, -1]))
    batches = list(dataset.batches())
    assert all(np.allclose(batch.propensity, 1 / 200) for batch in batches)
    shown = np.unique(np.concatenate([batch.combination for batch in batches]), axis=0)
    np.testing.assert_array_equal(shown, np.unique(arrays["keys"][:, 1:], axis=0))


def test_real_constraint_relates_background_and_colour_only() -> None:
    edges = read_tree(real_data("aes") / "tree_constraint.txt", 1, 4)
    named = [
        ("template" if e.parent == TEMPLATE else PARTS[e.parent], PARTS[e.child], bool(e.legal.all())) for e in edges
    ]
    assert named == [
        ("template", "background", True),
        ("background", "colour", False),
        ("colour", "font", True),
        ("template", "size", True),
    ]
    assert len(legal_combinations(edges, 0)) == 200


def test_table_by_hand(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in")
    _, dataset = check_import(import_aes, path, tmp_path / "out", 4_000, num_impressions=4_000)
    assert dataset.meta.rules == (
        Allow(("background", "colour"), (("background-0", "colour-0"), ("background-1", "colour-1"))),
    )
    arrays, _ = dataset.read_truth()
    ids = [dataset.catalogue.combination_ids(key[1:]) for key in arrays["keys"]]
    assert ids == [tuple(f"{p}-{v}" for p, v in zip(PARTS, values, strict=True)) for values in LEGAL]
    (batch,) = dataset.batches()
    for key, rate in zip(arrays["keys"], (0.1, 0.2), strict=True):
        clicks = batch.reward[(batch.combination == key[1:]).all(axis=1)]
        assert abs(clicks.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / len(clicks))


def test_a_line_of_names_is_not_a_combination(tmp_path: Path) -> None:
    """Rows of messages then count from the line after it."""
    rows = ["id template background size colour font CTR", "0 0 0 0 0 0 0.1", "1 0 1 0 1 0 0.2"]
    with_names = write_table(tmp_path / "in", rows)
    check_import(import_aes, with_names, tmp_path / "out", 9, num_impressions=9)
    wrong = write_table(tmp_path / "wrong", [*rows, "2 0 1 0 1 0 1.2"])
    check_refusal(import_aes, wrong, tmp_path / "none", "row 4", "'ctr'", "1.2")


def test_without_constraint_only_the_listed_combinations(tmp_path: Path) -> None:
    _, dataset = check_import(
        import_aes, write_table(tmp_path / "in", tree=None), tmp_path / "out", 9, num_impressions=9
    )
    (rule,) = dataset.meta.rules
    assert isinstance(rule, Only)
    assert len(rule.combinations) == 2


def test_templates_are_products_and_may_block(tmp_path: Path) -> None:
    """Template 0 has backgrounds 0 and 1, template 1 only background 1."""
    tree = "a, 2, 2\n1 1\n0 1\nc, 2, 1\n1\n1\nd, 1, 1\n1\nb, 2, 1\n1\n1\n"
    path = write_table(tmp_path / "in", ["0 0 0 0 0 0 .1", "1 0 1 0 0 0 .2", "2 1 1 0 0 0 .3"], tree)
    _, dataset = check_import(import_aes, path, tmp_path / "out", 100, num_impressions=100)
    assert dataset.meta.rules == (Block("background-0", "background", "template-1"),)
    (batch,) = dataset.batches()
    assert set(batch.propensity[batch.product == 0].tolist()) == {0.5}
    assert set(batch.propensity[batch.product == 1].tolist()) == {1.0}


def test_seed_decides_the_log(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in")
    check_same_seed_same_dataset(import_aes, path, tmp_path, num_impressions=50, seed=3)


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (["0 0 0 0 0 0 .1", "1 0 1 0 0 0 .2"], ("row 2", "tree_constraint.txt forbids", "'colour': 0")),
        (["0 0 0 0 0 0 .1"], ("a rate for each of 2 legal combinations", "Found none for", "'background': 1")),
        (["0 0 0 0 0 0 .1", "1 0 0 0 0 0 .1"], ("row 2", "every combination is listed once")),
        (["0 0 0 0 0 0 1.5"], ("row 1", "column 'ctr': a rate in [0, 1] is expected", "Found 1.5")),
        (["0 0 0 0 0 0 nan"], ("row 1", "column 'ctr': a rate in [0, 1] is expected", "Found nan")),
        (["0 0 0 0 0 0 .1", "1 0 1 0 x 0 .2"], ("row 2", "column 'colour'", "Found 'x'")),
        (["0 0 0 0 0 0 .1", "1 0 1 0 0 .2"], ("row 2", "7 values are expected")),
        (["0 0 -1 0 0 0 .1"], ("row 1", "column 'background': a number from 0", "Found -1")),
        ([""], ("at least one row is expected",)),
    ],
)
def test_bad_tables_are_named(rows: list[str], shown: tuple[str, ...], tmp_path: Path) -> None:
    path = write_table(tmp_path / "in", rows)
    check_refusal(import_aes, path, tmp_path / "out", str(path), *shown)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("a, 1\n1\n", r"line 1: a header .* Found 'a, 1'"),
        ("z, 1, 2\n1 1\n", r"line 1: a header .* part a to d. Found 'z, 1, 2'"),
        ("a, 1, ²\n1 1\n", r"line 1: a header .* Found 'a, 1, ²'"),
        ("a, 1, 99999999999999\n1 1\n", r"line 2: 99999999999999 values 0 or 1 are expected. Found '1 1'"),
        ("a, 1, 2\n1 2\n", r"line 2: 2 values 0 or 1 are expected. Found '1 2'"),
        ("a, 1, 2\n", r"line 2: 2 values 0 or 1 are expected. Found 'the end of the file'"),
        (
            "a, 3, 2\n1 1\n1 1\n1 1\n",
            r"line 1: a part above with 3 values is expected \(1 is .*\). Found none",
        ),
        ("a, 1, 2\n1 1\na, 1, 2\n1 1\n", r"line 3: every part is listed once. Found 'a, 1, 2' again"),
        ("a, 1, 2\n1 1\n", r"one matrix for each of 4 parts is expected. Found 1"),
    ],
)
def test_bad_constraint_files_are_named(tree: str, message: str, tmp_path: Path) -> None:
    write_table(tmp_path / "in", tree=tree)
    with pytest.raises(DataError, match=message):
        read_tree(tmp_path / "in" / "tree_constraint.txt", 1, 4)


def test_a_folder_with_two_tables_asks_for_the_file(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in")
    (path.parent / "other.txt").write_text("")
    check_refusal(import_aes, path.parent, tmp_path / "out", "exactly one file", "ctr.txt, other.txt")


def test_no_impressions_are_refused(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in")
    with pytest.raises(ConfigError, match=r"`num_impressions` should be at least 1. Found `num_impressions = 0`"):
        import_aes(path, tmp_path / "out", num_impressions=0)
    assert not (tmp_path / "out").exists()


def test_a_constraint_that_is_a_folder_is_no_missing_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in")
    (path.parent / "tree_constraint.txt").unlink(missing_ok=True)
    (path.parent / "tree_constraint.txt").mkdir()
    check_refusal(import_aes, path, tmp_path / "out", "tree_constraint.txt: cannot be read as text")


def test_a_byte_order_mark_before_the_constraint(tmp_path: Path) -> None:
    path = write_table(tmp_path / "in", tree="\ufeff" + TREE)
    check_import(import_aes, path, tmp_path / "out", 10, num_impressions=10)
