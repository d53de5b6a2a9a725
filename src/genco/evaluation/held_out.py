"""Which rows of a dataset a run may be judged on: those held out from its training."""

from __future__ import annotations

from genco.data.splits import Split
from genco.policies.optimizer import Optimizer
from genco.storage.dataset import Dataset

HELD_OUT, OTHER_DATA, ALL = "held out from training", "other data than the run's", "all: the run held nothing out"


def rows_to_judge_on(optimizer: Optimizer, dataset: Dataset) -> tuple[Split | None, str]:
    """What was held out of the run's training, None for all rows, and in words.

    Raises `DataError` for an impression_id that occurs twice in other data than the run's.
    """
    if optimizer.run.info["fingerprint"] != dataset.fingerprint():
        dataset.require_distinct_ids()
        return None, OTHER_DATA
    measured = optimizer.run.info["measured"]
    if measured["split_by"] == "none" or not measured["reward_model"]["held_out_rows"]:
        return None, ALL
    return Split(str(measured["split_by"]), float(measured["split_cut"])), HELD_OUT
