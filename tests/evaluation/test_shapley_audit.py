"""The audit: nothing to find where the model is additive, exact by hand where it is not."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from tests.kits.small_models import small_context, small_generator, small_model

from genco.evaluation import shapley_audit
from genco.evaluation.shapley_audit import audit_measures, exact_shapley
from genco.policies.generative import GenerativePolicy

CONTEXT = small_context()


def policy_of(residual: bool) -> GenerativePolicy:
    bound = small_model(1, residual=residual)
    return GenerativePolicy(bound, small_generator(bound)[1], version="v")


def test_the_additive_attribution_is_the_shapley_value() -> None:
    found = audit_measures(policy_of(residual=False), [(0, CONTEXT), (2, CONTEXT)])
    assert found["attribution.shapley_audit_largest"] < 1e-5
    assert found["attribution.shapley_audit_values"] == 2 * shapley_audit.COMBINATIONS_PER_REQUEST * 5


def test_with_a_residual_values_add_up_and_are_averages_over_orders() -> None:
    """Shapley's definition, over all 120 orders of the five slots."""
    policy = policy_of(residual=True)
    request = policy.request(0, CONTEXT)
    positions = request.space.sample_uniform(np.random.default_rng(0), 3)
    found = exact_shapley(policy, request, positions)
    np.testing.assert_allclose(found.sum(axis=1), policy.scores(request, positions), atol=1e-5)
    wanted, orders = np.zeros_like(found), list(permutations(range(5)))
    for order in orders:
        shown = np.zeros(5, dtype=bool)
        before = shapley_audit._worth(policy, request, positions, shown)
        for slot in order:
            shown[slot] = True
            after = shapley_audit._worth(policy, request, positions, shown)
            wanted[:, slot] += (after - before) / len(orders)
            before = after
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    difference = audit_measures(policy, [(0, CONTEXT)])["attribution.shapley_audit_largest"]
    assert difference > 1e-3


def test_a_residual_of_nothing_is_audited_as_nothing() -> None:
    policy = policy_of(residual=True)
    arrays = policy.bound.model.residual.arrays  # type: ignore[union-attr]
    silent = replace(policy.bound.model.residual, arrays={**arrays, "out.weight": np.zeros_like(arrays["out.weight"])})  # type: ignore[type-var]
    bound = replace(policy.bound, model=replace(policy.bound.model, residual=silent))
    quiet = GenerativePolicy(bound, policy.network, version="v")
    assert audit_measures(quiet, [(0, CONTEXT)])["attribution.shapley_audit_largest"] < 1e-5


def test_what_cannot_be_audited_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of(residual=True)
    assert audit_measures(policy, [])["attribution.shapley_audit_largest_reason"] == "no request could be drawn"
    monkeypatch.setattr(shapley_audit, "MAX_SLOTS", 4)
    found = audit_measures(policy, [(0, CONTEXT)])
    assert found["attribution.shapley_audit_largest"] is None
    assert "at most 4 slots, the run has 5" in found["attribution.shapley_audit_largest_reason"]
