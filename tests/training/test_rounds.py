"""Two rounds: decisions of the first run are played in the world and logged, the second run starts from the first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
from tests.conftest import PAIRS_CONFIG

from genco.api import load
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.runs import RunFolder
from genco.training.config import config_from
from genco.training.train import train

NUM_REQUESTS = 600


def served_log(optimizer: Optimizer, truth: Truth, start: int) -> pl.DataFrame:
    """Requests served by the decision policy, with the clicks of the true world."""
    policy, rng, rows = optimizer.policy, np.random.default_rng(0), []
    for number in range(NUM_REQUESTS):
        product, segment = int(rng.integers(optimizer.catalogue.num_products)), int(rng.integers(6))
        request = policy.request(product, optimizer.context({"segment": f"s{segment}"}))
        positions, propensity = policy.decide(request).choose(rng)
        shown = policy.rows(request.space, positions[None])
        logit = truth.logit(np.array([product], np.int32), np.array([segment], np.int32), shown)[0]
        rows.append(
            {
                "impression_id": f"round-2-{number}",
                "product_id": optimizer.catalogue.products["product_id"][product],
                "segment": f"s{segment}",
                "num_impressions": 1,
                "num_clicks": int(rng.random() < 1 / (1 + np.exp(-logit))),
                "propensity": propensity,
                "policy": "genco",
                "model_version": policy.version,
                **dict(zip(optimizer.slot_names, optimizer.catalogue.combination_ids(shown[0]), strict=True)),
            }
        )
    times = pl.Series("timestamp", [start + number for number in range(1, NUM_REQUESTS + 1)]).cast(pl.Datetime("us"))
    return pl.DataFrame(rows).with_columns(times)


def test_a_round_appends_its_log_and_starts_from_the_last_generator(
    pairs: Dataset, pairs_run: RunFolder, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    shutil.copytree(pairs.path, tmp_path / "data")
    newest = max(int(batch.timestamp.max()) for batch in pairs.batches())
    log = served_log(pairs_optimizer, pairs_truth, newest)
    log.write_parquet(tmp_path / "data" / "impressions" / "round-2.parquet")
    assert log["propensity"].is_between(0, 1, closed="right").all()
    uniform = pl.read_parquet(pairs.path / "impressions" / "part-00000.parquet")
    assert log["num_clicks"].sum() / NUM_REQUESTS > 2 * uniform["num_clicks"].sum() / uniform["num_impressions"].sum()
    both = open_dataset(tmp_path / "data")
    assert both.num_rows == pairs.num_rows + NUM_REQUESTS
    nothing_more = config_from({**PAIRS_CONFIG, "training": {"steps": 0}})
    second = load(train(both, tmp_path / "run", nothing_more, start_from=pairs_run.path).path)
    for name, values in pairs_optimizer.network.arrays.items():
        np.testing.assert_array_equal(second.network.arrays[name], values, err_msg=name)
    assert not np.array_equal(second.model.theta, pairs_optimizer.model.theta)
    assert second.policy.version != pairs_optimizer.policy.version
