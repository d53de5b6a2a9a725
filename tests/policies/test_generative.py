"""Stages 1 and 2 together on one catalogue: ranked distinct legal proposals, exact propensities, cached encodings."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.policy import check_decision, check_policy
from tests.kits.reward_model import uplift_of
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model

from genco.data.rules import Distinct, Forbid, Rule
from genco.errors import ConfigError, RuleError, UnknownIdError
from genco.policies.generative import GenerativePolicy, best_first
from genco.runtime.decision import DecisionConfig, ProductDecisions

RULES = (Distinct(("note_1", "note_2")), Forbid((("p0.title0", "p0.image0"),)))
CONTEXT = small_context()


def policy_of(
    rules: tuple[Rule, ...] = RULES, residual: bool = False, decision: DecisionConfig | None = None, **changes: int
) -> GenerativePolicy:
    bound = small_model(1, small_catalogue(rules=rules), residual=residual)
    return GenerativePolicy(bound, small_generator(bound, temperature=2.0)[1], decision, version="v1", **changes)


@pytest.mark.parametrize("residual", [False, True])
def test_generator_and_decision_conform(residual: bool) -> None:
    policy = policy_of(residual=residual)
    for product in (0, 2):
        request = policy.request(product, CONTEXT)
        check_policy(request.policy, request.space, draws=6_000)
        check_decision(policy.decide(request), request.space, draws=6_000)


@pytest.mark.parametrize("residual", [False, True])
def test_scores_are_the_uplift(residual: bool) -> None:
    policy = policy_of(residual=residual)
    for product in range(3):
        request = policy.request(product, CONTEXT)
        legal = request.space.enumerate(10_000)
        wanted = uplift_of(policy.bound, product, policy.rows(request.space, legal), CONTEXT)
        np.testing.assert_allclose(policy.scores(request, legal), wanted, atol=2e-5)


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("num", [1, 5, 16, 5_000])
def test_proposals_are_ranked_distinct_and_as_many_as_asked_or_legal(num: int, refine: bool) -> None:
    policy = policy_of()
    request = policy.request(0, CONTEXT)
    found = policy.propose(request, num, np.random.default_rng(0), refine)
    assert len(found.positions) == min(num, request.space.count(10_000))
    assert len(np.unique(found.positions, axis=0)) == len(found.positions)
    assert request.space.is_legal(found.positions).all()
    assert (np.diff(found.uplift) <= 0).all() and (np.diff(found.click_probability) <= 0).all()
    np.testing.assert_allclose(found.log_prob, request.policy.log_prob(found.positions), atol=1e-5)


def test_equal_uplifts_come_in_order_of_positions() -> None:
    """What rounding parted is one uplift; a real difference of 1e-4 is not."""
    positions = np.array([[1, 0], [0, 2], [0, 1], [3, 3]], dtype=np.int32)
    uplift = np.array([0.5, 0.5 + 1e-7, 0.5 - 1e-7, 0.5001], dtype=np.float32)
    ordered, found = best_first(positions, uplift)
    assert ordered.tolist() == [[3, 3], [0, 1], [0, 2], [1, 0]]
    assert found[0] == np.float32(0.5001) and len(set(found[1:].tolist())) == 1
    assert best_first(positions[:0], uplift[:0])[0].shape == (0, 2)


def test_refinement_never_makes_the_best_worse_and_finds_the_optimum_here() -> None:
    policy = policy_of()
    for product in range(3):
        request = policy.request(product, CONTEXT)
        plain, refined = (policy.propose(request, 16, np.random.default_rng(0), refine) for refine in (False, True))
        assert refined.uplift[0] >= plain.uplift[0] - 1e-6
        best = policy.scores(request, request.space.enumerate(10_000)).max()
        assert refined.uplift[0] == pytest.approx(float(best), abs=1e-5)
        position, uplift = policy.best(request, 16, np.random.default_rng(0))
        assert uplift == pytest.approx(float(refined.uplift[0]), abs=1e-5)
        assert request.space.is_legal(position[None])[0]


def test_click_probability_by_hand() -> None:
    """logit = appeal + slope * uplift + intercept, slope 0.9 and intercept 0.1."""
    policy = policy_of()
    request = policy.request(0, CONTEXT)
    appeal = float(policy.bound.appeal(0, CONTEXT))
    found = policy.click_probability(request, np.array([0.5], np.float32))
    assert float(found[0]) == pytest.approx(1 / (1 + np.exp(-(appeal + 0.9 * 0.5 + 0.1))), rel=1e-5)


def test_a_decision_is_the_same_for_the_same_request_and_version() -> None:
    first, second = policy_of(), policy_of()
    legal = first.request(0, CONTEXT).space.enumerate(10_000)
    a, b = (p.decide(p.request(0, CONTEXT)).propensity(legal) for p in (first, second))
    np.testing.assert_array_equal(a, b)
    second.version = "v2"
    bound = first.bound
    other = GenerativePolicy(bound, first.network, version="v2")
    assert not np.array_equal(other.decide(other.request(0, CONTEXT)).propensity(legal), a)


def test_minimum_share_is_kept_exactly() -> None:
    """The element is shown with its share at least, and the propensities stay exact."""
    policy = policy_of(
        decision=DecisionConfig(
            epsilon=0.05, width=0.0, minimum_share={"p0.title3": 0.2, "p0.note1": 0.1, "p1.tag0": 0.3}
        )
    )
    request = policy.request(0, CONTEXT)
    decision = policy.decide(request)
    legal = request.space.enumerate(10_000)
    rows, propensity = policy.rows(request.space, legal), decision.propensity(legal)
    index = policy.bound.catalogue.element_rows
    assert propensity[(rows == index["p0.title3"]).any(axis=1)].sum() >= 0.2
    assert propensity[(rows == index["p0.note1"]).any(axis=1)].sum() >= 0.1
    check_decision(decision, request.space, draws=6_000)


def test_one_product_may_decide_otherwise() -> None:
    """Shares of its own in place of the common ones, or no exploration at all; other products as before."""
    policy, row = policy_of(), policy_of().bound.catalogue.element_rows["p0.title3"]
    shares = ProductDecisions({0: {"p0.title3": 0.5}}, frozenset([2]))
    other = policy.under(small_catalogue(rules=()), policy.decision, shares)
    request = other.request(0, CONTEXT)
    decision, legal = other.decide(request), request.space.enumerate(10_000)
    assert len(legal) > len(policy.request(0, CONTEXT).space.enumerate(10_000))  # without its rules
    assert decision.propensity(legal)[(other.rows(request.space, legal) == row).any(axis=1)].sum() >= 0.5
    check_decision(decision, request.space, draws=6_000)
    paused = other.request(2, CONTEXT)
    legal = paused.space.enumerate(10_000)
    propensity = other.decide(paused).propensity(legal)
    assert propensity.max() == propensity.sum() == 1.0
    assert propensity.argmax() == other.scores(paused, legal).argmax()
    rng = np.random.default_rng(0)
    chosen = [other.decide(paused).choose(rng) for _ in range(300)]  # epsilon is 0.02: by chance 1 of 400 times
    assert {(positions.tobytes(), p) for positions, p in chosen} == {(legal[propensity.argmax()].tobytes(), 1.0)}
    same = policy.under(policy.bound.catalogue, policy.decision, ProductDecisions())
    legal = same.request(1, CONTEXT).space.enumerate(10_000)
    a, b = (p.decide(p.request(1, CONTEXT)).propensity(legal) for p in (policy, same))
    np.testing.assert_array_equal(a, b)


def test_pins_and_exclusions() -> None:
    policy = policy_of()
    request = policy.request(0, CONTEXT, {"title": "p0.title2"}, frozenset({"p0.note0", "p0.tag0"}))
    found = policy.propose(request, 1_000, np.random.default_rng(0))
    index = policy.bound.catalogue.element_rows
    assert (found.rows[:, 0] == index["p0.title2"]).all()
    assert not np.isin(found.rows, [index["p0.note0"], index["p0.tag0"]]).any()
    plain = policy.request(0, CONTEXT)
    np.testing.assert_allclose(
        uplift_of(policy.bound, 0, found.rows, CONTEXT), policy.scores(request, found.positions), atol=2e-5
    )
    assert plain.encoding is policy.encoding(0) and request.encoding is not plain.encoding


def test_what_cannot_be_asked() -> None:
    policy = policy_of()
    with pytest.raises(ConfigError, match=r"`k` should be positive. Found `k = 0`"):
        policy.propose(policy.request(0, CONTEXT), 0, np.random.default_rng(0))
    with pytest.raises(RuleError, match=r"p0\.title0"):
        policy.request(0, CONTEXT, {"title": "p0.title0"}, frozenset({"p0.title0"}))
    with pytest.raises(UnknownIdError, match="nowhere"):
        policy.request(0, CONTEXT, {"nowhere": "p0.title0"})
    with pytest.raises(UnknownIdError, match=r"p9\.title0"):
        policy.request(0, CONTEXT, {"title": "p9.title0"})


def test_encodings_are_cached_and_the_oldest_leaves() -> None:
    policy = policy_of(cache_products=2)
    first = policy.encoding(0)
    assert policy.encoding(0) is first
    policy.encoding(1)
    policy.encoding(0)
    policy.encoding(2)
    assert policy.encoding(0) is first and policy._encodings.keys() == [2, 0]


def test_decisions_are_remembered_and_asked_anew_under_pins() -> None:
    policy = policy_of(cache_decisions=2)
    first = policy.decide(policy.request(0, CONTEXT))
    assert policy.decide(policy.request(0, CONTEXT.copy())) is first
    assert policy.decide(policy.request(0, CONTEXT + 1)) is not first
    pinned = policy.decide(policy.request(0, CONTEXT, {"title": "p0.title1"}))
    assert pinned is not first and (pinned.won.positions[:, 0] == 0).all()
    policy.decide(policy.request(1, CONTEXT))
    again = policy.decide(policy.request(0, CONTEXT))
    assert again is not first
    np.testing.assert_array_equal(again.won.positions, first.won.positions)
    every = policy.request(0, CONTEXT).space.enumerate(10_000)
    np.testing.assert_array_equal(again.propensity(every), first.propensity(every))


def test_a_remembered_propensity_is_the_propensity() -> None:
    decision = policy_of(decision=DecisionConfig(epsilon=0.5)).decide(policy_of().request(0, CONTEXT))
    rng = np.random.default_rng(0)
    for _ in range(200):
        chosen, propensity = decision.choose(rng)
        assert propensity == pytest.approx(float(decision.propensity(chosen[None])[0]), rel=1e-12)
    assert 0 < len(decision._known) <= len(decision.won.positions)


def test_large_spaces_decide_on_beams() -> None:
    """Above the limit the candidates are beams; everything legal keeps a positive propensity."""
    from genco.policies import generative

    policy = policy_of(())
    request = policy.request(0, CONTEXT)
    everything, _ = policy._drawn(request)
    limit, generative.MAX_ENUMERATED = generative.MAX_ENUMERATED, 100
    try:
        some, _ = policy._drawn(request)
        narrow = policy.decide(request)
    finally:
        generative.MAX_ENUMERATED = limit
    assert len(everything) == 768 and len(some) < 768
    check_decision(narrow, request.space, draws=6_000)
