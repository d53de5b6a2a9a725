"""Proposals and decisions under random rules and requests, against every legal combination found rule by rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.kits.policy import check_log_prob_sums_to_one, check_proposals
from tests.kits.small_catalogues import legal_the_slow_way, rules_over
from tests.kits.small_models import SLOTS, small_catalogue, small_context, small_generator, small_model

from genco.data.rules import Rule
from genco.errors import RuleError
from genco.policies.generative import GenerativePolicy, Request
from genco.runtime.decision import DecisionConfig

CATALOGUE = small_catalogue(num_products=2)
BOUND = small_model(3, CATALOGUE, residual=True)
NETWORK = small_generator(BOUND, temperature=2.0)[1]
CONTEXT = small_context()
_KNOWN = list(CATALOGUE.elements.select("element_id", "product_id", "component", "status").iter_rows())
OWN = [row[0] for row in _KNOWN if row[1] in ("p0", None)]
RULES = st.lists(rules_over(SLOTS, _KNOWN), min_size=1, max_size=5).map(tuple)
PINNED = st.sampled_from([{}, {}, {"title": OWN[1]}])


def asked(rules: tuple[Rule, ...], pinned: dict[str, str], excluded: list[str]) -> tuple[GenerativePolicy, Request]:
    """The policy and a request for p0; whether it may be answered agrees with asking rule by rule."""
    catalogue = replace(CATALOGUE, rules=rules)
    policy = GenerativePolicy(
        replace(BOUND, catalogue=catalogue),
        NETWORK,
        DecisionConfig(epsilon=0.1, num_draws=8, minimum_share={OWN[0]: 0.2, OWN[5]: 0.1, "shared.tag": 0.3}),
    )
    slow = legal_the_slow_way(catalogue, 0, pinned, tuple(excluded))
    try:
        request = policy.request(0, CONTEXT, pinned, excluded)
    except RuleError:
        assert not slow
        assume(False)
    legal = request.space.enumerate(10_000)
    assert set(map(tuple, policy.rows(request.space, legal).tolist())) == slow
    return policy, request


@given(
    RULES, st.sampled_from([{}, {}, {"title": OWN[1]}]), st.lists(st.sampled_from(OWN), max_size=2), st.integers(0, 9)
)
@settings(max_examples=25, deadline=None)
def test_proposals_and_propensities_under_any_rules(
    rules: tuple[Rule, ...], pinned: dict[str, str], excluded: list[str], seed: int
) -> None:
    policy, request = asked(rules, pinned, excluded)
    space = request.space
    check_log_prob_sums_to_one(request.policy, space)
    for num in (1, 16):
        check_proposals(request.policy, space, num, seed)
        proposals = policy.propose(request, num, np.random.default_rng(seed))
        assert len(proposals.positions) == len(np.unique(proposals.positions, axis=0)) == min(num, space.count(num))
        assert space.is_legal(proposals.positions).all()
    drawn, _ = request.policy.sample(np.random.default_rng(seed), 50)
    assert space.is_legal(drawn).all()
    decision, every = policy.decide(request), np.indices(space.sizes, dtype=np.int32).reshape(space.num_slots, -1).T
    propensity, legal = decision.propensity(every), space.is_legal(every)
    assert propensity.sum() == pytest.approx(1.0, abs=1e-5)
    assert (propensity[legal] > 0).all()
    assert not propensity[~legal].any()
    rows = policy.rows(space, every)
    for element, share in policy.decision.minimum_share.items():
        shows = (rows == CATALOGUE.element_rows[element]).any(axis=1) & legal
        assert not shows.any() or propensity[shows].sum() >= share - 1e-5
    chosen, its_propensity = decision.choose(np.random.default_rng(seed))
    at = (every == chosen).all(axis=1)
    assert its_propensity == pytest.approx(float(propensity[at][0]), rel=1e-4)  # single precision
