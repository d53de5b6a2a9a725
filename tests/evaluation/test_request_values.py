"""What each way of choosing is worth on one request, against worlds whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from tests.kits.reward_model import uplift_of
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model

from genco.data.rules import Distinct, Forbid, Rule
from genco.errors import DataError
from genco.evaluation import request_values as module
from genco.evaluation.request_values import request_values
from genco.policies.generative import GenerativePolicy
from genco.types import LogitTables

RULES = (Distinct(("note_1", "note_2")), Forbid((("p0.title0", "p0.image0"),)))
CONTEXT = small_context()


class ModelIsTrue:
    """A world that is exactly what the reward model says; what content tells is the opposite."""

    context_name, context_values, has_content = None, ("",), True

    def __init__(self, policy: GenerativePolicy, content: bool = True) -> None:
        self.policy, self.has_content = policy, content

    def logit(self, product: np.ndarray, context: np.ndarray, combination: np.ndarray) -> np.ndarray:
        return uplift_of(self.policy.bound, int(product[0]), combination, CONTEXT).astype(float) - 2

    def content_logit(self, product: np.ndarray, context: np.ndarray, combination: np.ndarray) -> np.ndarray:
        return -self.logit(product, context, combination)

    def slot_tables(
        self, product: int, context: int, candidates: Sequence[np.ndarray], content: bool = False
    ) -> LogitTables:
        tables = self.policy.bound.tables(product, CONTEXT, tuple(candidates))
        sign = -1.0 if content else 1.0
        return LogitTables(
            -2.0,
            tuple(sign * own.astype(float) for own in tables.own),
            tuple(factors.astype(float) for factors in tables.factors),
            {pair: sign * matrix.astype(float) for pair, matrix in tables.bilinear.items()},
        )


def policy_of(rules: tuple[Rule, ...] = ()) -> GenerativePolicy:
    bound = small_model(1, small_catalogue(rules=rules))
    return GenerativePolicy(bound, small_generator(bound, temperature=2.0)[1])


def smoothed(rows: np.ndarray) -> np.ndarray:
    return np.where(rows < 0, -1.0, rows).astype(float)


@pytest.mark.parametrize("rules", [(), RULES], ids=["free", "ruled"])
@pytest.mark.parametrize("enumerated", [True, False])
def test_where_the_model_is_the_truth_its_best_is_the_oracle(
    rules: tuple[Rule, ...], enumerated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By enumeration, and above the size where uniform play is drawn and the oracle searched for; under rules too."""
    if not enumerated:
        monkeypatch.setattr(module, "SMALL_SPACE", 10)
    policy = policy_of(rules)
    truth = ModelIsTrue(policy)
    for product in (0, 2):
        found = request_values(truth, policy, product, 0, CONTEXT, smoothed)
        space = policy.request(product, CONTEXT).space
        rate = 1 / (
            1 + np.exp(-truth.logit(np.full(1, product), np.zeros(1), policy.rows(space, space.enumerate(10_000))))
        )
        assert found.values["oracle"] == pytest.approx(rate.max(), rel=1e-5)
        assert found.values["uniform"] == pytest.approx(rate.mean(), rel=1e-5 if enumerated else 0.03)
        assert found.values["reward_model_argmax"] == pytest.approx(rate.max(), rel=1e-5)
        assert found.values["content_ceiling"] == pytest.approx(
            rate.min(), rel=1e-5
        )  # content is turned upside down here
        assert found.values["generator_top1"] <= found.values["best_of_16"] <= found.values["refined"] + 1e-9
        assert found.values["refined"] == found.actual == pytest.approx(rate.max(), rel=1e-5)
        assert rate.min() <= found.values["served"] <= rate.max()
        assert found.exact and found.distinct == 16 and 1 <= found.hamming <= 5


def test_beyond_enumeration_the_oracle_climbs_and_keeps_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_SPACE", 10)
    monkeypatch.setattr(module, "MAX_ENUMERATED", 10)
    for rules in ((), RULES):
        policy = policy_of(rules)
        found = request_values(ModelIsTrue(policy), policy, 0, 0, CONTEXT, smoothed, served=False)
        space = policy.request(0, CONTEXT).space
        legal = policy.rows(space, space.enumerate(10_000))
        rate = 1 / (1 + np.exp(-ModelIsTrue(policy).logit(np.zeros(1), np.zeros(1), legal)))
        assert not found.exact and "served" not in found.values
        assert rate.max() * 0.98 <= found.values["oracle"] <= rate.max() * (1 + 1e-6)


def test_served_over_draws_is_close_to_the_exact_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of()
    exact = request_values(ModelIsTrue(policy), policy, 0, 0, CONTEXT, smoothed).values["served"]
    monkeypatch.setattr(module, "SMALL_SPACE", 10)
    drawn = request_values(ModelIsTrue(policy), policy, 0, 0, CONTEXT, smoothed).values["served"]
    assert drawn == pytest.approx(exact, rel=0.05)


def test_independent_components_take_each_slots_best_among_what_is_legal() -> None:
    """`smoothed` prefers later rows: the last title and image, and two different notes, the last tag that is shown."""
    policy = policy_of(RULES)
    space = policy.request(0, CONTEXT).space
    position = module._independent(space, list(space.candidates), smoothed)
    assert space.is_legal(position[None])[0]
    shown = [int(rows[p]) for rows, p in zip(space.candidates, position, strict=True)]
    rows = policy.bound.catalogue.element_rows
    assert shown == [rows["p0.title3"], rows["p0.image2"], rows["p0.note3"], rows["shared.tag"], rows["p0.note2"]]


def test_without_content_there_is_no_ceiling() -> None:
    policy = policy_of()
    assert (
        "content_ceiling"
        not in request_values(ModelIsTrue(policy, content=False), policy, 0, 0, CONTEXT, smoothed).values
    )


def test_a_table_too_large_to_enumerate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL_SPACE", 10)
    policy = policy_of()
    truth = ModelIsTrue(policy, content=False)
    monkeypatch.setattr(truth, "slot_tables", lambda *arguments: None)
    with pytest.raises(DataError, match=r"at most 10 combinations\. Found 768"):
        request_values(truth, policy, 0, 0, CONTEXT, smoothed)


def test_uniform_draws_are_uniform_over_what_is_legal() -> None:
    """Not slot by slot over the mask: a title that forbids an image is drawn in proportion to what it leaves."""
    policy = policy_of(RULES)
    space = policy.request(0, CONTEXT).space
    drawn = module._uniform_draws(space, np.random.default_rng(0))
    assert space.is_legal(drawn).all()
    legal = space.enumerate(10_000)
    share = [(legal[:, 0] == t).mean() for t in range(4)]
    np.testing.assert_allclose([(drawn[:, 0] == t).mean() for t in range(4)], share, atol=0.015)
