"""Attribution against true Shapley values: perfect where the model is the truth, and it says what cannot be had."""

from __future__ import annotations

import numpy as np
import pytest

from genco.evaluation.attribution import attribution_measures, within_slot
from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.runtime.attribution import attribute


def requests_of(optimizer: Optimizer, truth: Truth, num: int = 20) -> list[tuple[int, int, np.ndarray]]:
    rng = np.random.default_rng(0)
    names = truth.context_values
    drawn = [(int(rng.integers(optimizer.catalogue.num_products)), int(rng.integers(len(names)))) for _ in range(num)]
    return [(product, number, optimizer.context({"segment": names[number]})) for product, number in drawn]


class ModelIsTrue:
    """True Shapley values are the run's own attributions."""

    has_content = False

    def __init__(self, optimizer: Optimizer, shift: float = 0.0, missing: bool = False) -> None:
        self.optimizer, self.shift, self.missing = optimizer, shift, missing

    def shapley(
        self, product: int, context: int, rows: np.ndarray, pools: list[np.ndarray], content: bool = False
    ) -> np.ndarray:
        policy = self.optimizer.policy
        space = policy.encoding(product).space
        at = np.stack(
            [[int(np.flatnonzero(c == r)[0]) for r in rows[:, s]] for s, c in enumerate(space.candidates)], axis=1
        )
        encoded = self.optimizer.context({"segment": f"s{context}"})
        found = attribute(policy.bound, product, encoded, space, at.astype(np.int32)).total + self.shift
        return np.full_like(found, np.nan) if self.missing else found


def test_the_truth_itself_is_perfect(pairs_optimizer: Optimizer, pairs_truth: Truth) -> None:
    requests = requests_of(pairs_optimizer, pairs_truth)
    found = attribution_measures(pairs_optimizer, ModelIsTrue(pairs_optimizer), requests)  # type: ignore[arg-type]
    assert found["attribution.spearman"] == pytest.approx(1.0)
    assert found["attribution.coverage_95"] == 1.0
    assert found["attribution.num_triples"] == 20 * 6 * 3
    assert found["attribution.spearman_ceiling"] is None and found["attribution.spearman_ceiling_reason"]
    far = attribution_measures(pairs_optimizer, ModelIsTrue(pairs_optimizer, 50.0), requests)  # type: ignore[arg-type]
    assert far["attribution.coverage_95"] == 0.0 and far["attribution.spearman"] == pytest.approx(1.0)


def test_planted_effects_are_ranked_well(pairs_optimizer: Optimizer, pairs_truth: Truth) -> None:
    found = attribution_measures(pairs_optimizer, pairs_truth, requests_of(pairs_optimizer, pairs_truth, 60))
    assert 0.55 < found["attribution.spearman"] < found["attribution.spearman_ceiling"] < 1
    assert found["attribution.coverage_95"] > 0.85
    assert found["attribution.largest_sum_error"] < 1e-5


def test_undefined_shapley_values_say_why(pairs_optimizer: Optimizer, pairs_truth: Truth) -> None:
    missing = ModelIsTrue(pairs_optimizer, missing=True)
    found = attribution_measures(pairs_optimizer, missing, requests_of(pairs_optimizer, pairs_truth, 2))  # type: ignore[arg-type]
    assert found["attribution.spearman"] is None and "independent uniform" in found["attribution.spearman_reason"]
    assert attribution_measures(pairs_optimizer, pairs_truth, [])["attribution.coverage_95"] is None


def test_within_slot_by_hand() -> None:
    """One slot in order, one in reverse, one that never varies: (1 - 1) / 2."""
    actual = np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 5.0], [3.0, 3.0, 5.0]])
    assert within_slot(actual * [1, -1, 1], actual) == pytest.approx(0.0)
    assert within_slot(actual, actual) == pytest.approx(1.0)
    assert np.isnan(within_slot(np.ones((3, 1)), np.ones((3, 1))))
