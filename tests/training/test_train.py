"""A run from a dataset to its folder: the same bits for the same seed, resumed the same bits, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.kits.small_dataset import ELEMENTS, IMPRESSIONS, PRODUCTS, small_meta, write_small

from genco.data.rules import Block
from genco.errors import CheckpointError, DataError
from genco.policies.optimizer import load
from genco.protocols import Truth
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.runs import HELD_OUT_FILE, RunFolder
from genco.storage.writer import DatasetWriter
from genco.training.config import SplitConfig, config_from
from genco.training.train import choose_split, train

QUICK: dict[str, Any] = {
    "training": {"steps": 30, "requests": 8, "group": 4, "warm_start_steps": 2},
    "reward_model": {"residual": "off", "max_rounds": 2, "max_own_rank": 4},
    "generator": {"width": 8},
}


def arrays_of(run: RunFolder) -> dict[str, np.ndarray]:
    return {f"{part}.{k}": v for part in ("reward_model", "generator") for k, v in run.load_arrays(part)[0].items()}


def assert_same_bits(a: RunFolder, b: RunFolder) -> None:
    first, second = arrays_of(a), arrays_of(b)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    for name in ("reward_model.safetensors", "generator.safetensors"):
        assert (a.path / name).read_bytes() == (b.path / name).read_bytes()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(write_small(tmp_path_factory.mktemp("small") / "data"))


@pytest.fixture(scope="module")
def small_run(small: Dataset, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(small, tmp_path_factory.mktemp("run") / "a", config_from(QUICK))


def test_same_seed_same_bits_another_seed_others(small: Dataset, small_run: RunFolder, tmp_path: Path) -> None:
    assert_same_bits(train(small, tmp_path / "b", config_from(QUICK)), small_run)
    other = arrays_of(train(small, tmp_path / "c", config_from({**QUICK, "seed": 1})))
    assert any(not np.array_equal(values, other[name]) for name, values in arrays_of(small_run).items())


class ImpatienceError(Exception):
    """What an impatient user does."""


@pytest.mark.parametrize("at", [("reward model", 1), ("generator", 3), ("generator", 27)], ids=str)
def test_interrupted_and_resumed_is_bit_identical(
    at: tuple[str, int], small: Dataset, small_run: RunFolder, tmp_path: Path
) -> None:
    """Before the reward model is done, before the first checkpoint at step 25, and after it."""

    def impatient(stage: str, values: dict[str, float]) -> None:
        if (stage, values.get("step", values.get("round"))) == at:
            raise ImpatienceError

    with pytest.raises(ImpatienceError):
        train(small, tmp_path / "run", config_from(QUICK), progress=impatient)
    with pytest.raises(CheckpointError, match=r"exists\. Give --resume"):
        train(small, tmp_path / "run", config_from(QUICK))
    steps: list[float] = []
    resumed = train(
        small,
        tmp_path / "run",
        config_from(QUICK),
        resume=True,
        progress=lambda stage, v: steps.append(v.get("step", 0)),
    )
    assert_same_bits(resumed, small_run)
    assert [s for s in steps if s] == list(range(26 if at[1] == 27 else 1, 31))
    assert len(resumed.read_json("curves.json")["generator"]) == 30
    assert not list(resumed.path.glob("progress*"))


def test_a_finished_run_is_not_trained_again(small: Dataset, small_run: RunFolder) -> None:
    before = (small_run.path / "generator.safetensors").stat().st_mtime_ns
    again = train(small, small_run.path, config_from(QUICK), resume=True)
    assert again.finished and (small_run.path / "generator.safetensors").stat().st_mtime_ns == before


def test_a_run_killed_before_it_was_judged_is_judged_when_resumed(small: Dataset, small_run: RunFolder) -> None:
    kept = (small_run.path / HELD_OUT_FILE).read_bytes()
    (small_run.path / HELD_OUT_FILE).unlink()
    train(small, small_run.path, config_from(QUICK), resume=True)
    assert (small_run.path / HELD_OUT_FILE).read_bytes() == kept


def test_resuming_with_another_configuration_or_other_data_is_refused(
    small: Dataset, small_run: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="started with another configuration"):
        train(small, small_run.path, config_from({**QUICK, "seed": 5}), resume=True)
    other = open_dataset(write_small(tmp_path / "other", name="other"))
    with pytest.raises(CheckpointError, match="started on other data"):
        train(other, small_run.path, config_from(QUICK), resume=True)


def test_start_from_an_earlier_run(small: Dataset, small_run: RunFolder, tmp_path: Path) -> None:
    """No step taken: the generator is the earlier one, to the bit."""
    quiet = {**QUICK, "training": {**QUICK["training"], "steps": 0}}
    later = train(small, tmp_path / "later", config_from(quiet), start_from=small_run.path)
    for name, values in small_run.load_arrays("generator")[0].items():
        np.testing.assert_array_equal(later.load_arrays("generator")[0][name], values)


def test_starting_from_another_shape_or_from_nothing_is_refused(
    small: Dataset, small_run: RunFolder, tmp_path: Path
) -> None:
    wide = {**QUICK, "generator": {"width": 12}}
    with pytest.raises(CheckpointError, match=r"does not fit this data: .* should be \(2, 12\). Found \(2, 8\)"):
        train(small, tmp_path / "wide", config_from(wide), start_from=small_run.path)
    assert not (tmp_path / "wide").exists()
    with pytest.raises(CheckpointError, match="not a run folder"):
        train(small, tmp_path / "none", config_from(QUICK), start_from=tmp_path / "nowhere")
    assert not (tmp_path / "none").exists()


def test_the_folder_says_what_was_measured(small: Dataset, small_run: RunFolder) -> None:
    info = RunFolder.open(small_run.path).info
    assert info["fingerprint"] == small.fingerprint()
    assert info["config"]["training"]["steps"] == 30
    measured = info["measured"]
    assert measured["dataset"] == "small" and measured["seconds"] > 0 and measured["impressions_per_second"] > 0
    assert measured["reward_model"]["train_rows"] + measured["reward_model"]["held_out_rows"] == 12
    elements = small_run.read_table("elements")
    assert elements["num_impressions"].to_list() == [3.0, 3.0, 30.0, 12.0]
    assert elements["num_rewards"].to_list() == [0.0, 0.0, 12.0, 4.0]


def test_an_empty_log_leaves_nothing_behind(tmp_path: Path) -> None:
    dataset = written(tmp_path / "data", rows=IMPRESSIONS.head(0))
    with pytest.raises(DataError, match="no impressions to learn from"):
        train(dataset, tmp_path / "run", config_from(QUICK))
    assert not (tmp_path / "run").exists()


def written(folder: Path, rows: pl.DataFrame = IMPRESSIONS, elements: pl.DataFrame = ELEMENTS, **meta: Any) -> Dataset:
    with DatasetWriter(folder, small_meta(**meta)) as writer:
        writer.write_products(PRODUCTS)
        writer.write_elements(elements)
        if rows.height:
            writer.append_impressions(rows)
    return open_dataset(folder)


def test_a_product_without_legal_combination_is_counted_and_left_out(tmp_path: Path) -> None:
    run = train(written(tmp_path / "data", rules=(Block("t3"),)), tmp_path / "run", config_from(QUICK))
    assert run.info["measured"]["products_without_legal_combination"] == 1
    assert load(run.path).generate("p1", k=2)


def test_no_product_with_a_legal_combination_is_refused(tmp_path: Path) -> None:
    dataset = written(tmp_path / "data", rules=tuple(Block(f"t{i}") for i in (1, 2, 3)))
    with pytest.raises(DataError, match="No product of the catalogue has a legal combination"):
        train(dataset, tmp_path / "run", config_from(QUICK))


def test_no_context_no_content_one_slot(tmp_path: Path) -> None:
    from genco.data.catalogue import Slot

    elements = ELEMENTS.filter(pl.col("component") == "title").drop("length").with_columns(text=pl.lit(None, pl.String))
    dataset = written(
        tmp_path / "data", IMPRESSIONS.drop("badge", "segment"), elements, slots=(Slot("title", "title"),), context=()
    )
    found = load(train(dataset, tmp_path / "run", config_from(QUICK)).path).generate("p1", k=5)
    assert sorted(str(p.combination["title"]) for p in found) == ["t1", "t2"]


def test_residual_on_from_log_to_proposals(card: Dataset, tmp_path: Path) -> None:
    """Trained, saved, loaded, proposed with, evaluated: the residual is in every score and adds up."""
    from genco.evaluation.evaluate import evaluate
    from genco.simulator.truth import truth_of

    config = {**QUICK, "reward_model": {**QUICK["reward_model"], "residual": "on", "max_pair_rank": 2}}
    optimizer = load(train(card, tmp_path / "run", config_from(config)).path)
    assert optimizer.model.residual is not None
    best = optimizer.generate("p00001", {"segment": "s1"}, k=3)[0]
    assert any(credit.residual != 0 for credit in best.attribution)
    assert sum(credit.total for credit in best.attribution) == pytest.approx(best.uplift, abs=1e-5)
    result = evaluate(optimizer, card, truth_of(card), num_requests=4)
    assert result["train.residual_kept"] is True and result["attribution.largest_sum_error"] < 1e-5


def test_split_follows_configuration_then_dataset(small: Dataset, tmp_path: Path) -> None:
    assert choose_split(small, SplitConfig(holdout=0.0)).by == "none"
    assert choose_split(small, SplitConfig(by="product", holdout=0.3)).by == "product"
    found = choose_split(small, SplitConfig(holdout=0.25))
    assert found.by == "time"
    held_out = sum(int(found.held_out(batch, small.catalogue).sum()) for batch in small.batches())
    assert held_out == 3
    same_time = IMPRESSIONS.with_columns(timestamp=pl.lit(0).cast(pl.Datetime("us")))
    assert choose_split(written(tmp_path / "same", same_time), SplitConfig()).by == "product"
    assert choose_split(written(tmp_path / "empty", IMPRESSIONS.head(0)), SplitConfig()).by == "product"


def test_training_learns_on_planted_truth(pairs_run: RunFolder, pairs: Dataset, pairs_truth: Truth) -> None:
    """Reward of the policy while it is trained does not fall, and what it ends with is what it scores."""
    curve = pairs_run.read_json("curves.json")["generator"]
    rewards = [row["reward"] for row in curve]
    assert np.mean(rewards[-5:]) > np.mean(rewards[:5]) - 0.1
    assert [row["step"] for row in curve] == list(range(1, 41))
