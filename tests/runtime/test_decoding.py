"""Decoding without torch: the trained network's probabilities, exactly normalised, and K distinct draws in one pass."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.kits.policy import check_frequencies, check_log_prob_sums_to_one, check_policy, check_proposals
from tests.kits.small_models import (
    PER_PRODUCT,
    small_catalogue,
    small_context,
    small_generator,
    small_model,
    small_tables,
)

from genco.data.catalogue import Slot
from genco.data.rules import Allow, Distinct, Forbid, Only, Pin, Rule
from genco.runtime import decoding, product_encoding
from genco.runtime.decoding import RequestPolicy
from genco.runtime.legal_space import legal_space
from genco.runtime.product_encoding import encode_product
from genco.runtime.reward_model import BoundRewardModel
from genco.training import generator_loop
from genco.training.generator_loop import roll_out
from genco.training.proposal_tables import rule_masks

RULES: dict[str, tuple[Rule, ...]] = {
    "free": (),
    "distinct": (Distinct(("note_1", "note_2")),),
    "forbid": (Forbid((("p0.title0", "p0.image0"), ("p0.title1", "p0.note0"), ("p0.image1", "shared.tag"))),),
    "allow and pin": (
        Pin("image", "p0.image1"),
        Allow(("title", "tag"), (("p0.title0", "p0.tag0"), ("p0.title2", ""), ("p0.title3", "shared.tag")), "p0"),
    ),
    "one left": (Only("p0", (("p0.title1", "p0.image0", "p0.note0", None, "p0.note1"),)),),
}


def policy_of(bound: BoundRewardModel, product: int = 0, seed: int = 0, **changes: object) -> RequestPolicy:
    _, network = small_generator(bound, seed, **changes)
    space = legal_space(bound.catalogue, product)
    return RequestPolicy(encode_product(bound, network, product, space), network, small_context(seed))


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_conforms_under_rules(rules: str) -> None:
    policy = policy_of(small_model(1, small_catalogue(rules=RULES[rules])), temperature=2.0)
    check_policy(policy, policy.space)


@pytest.mark.parametrize(
    "changes", [{"autoregressive": False}, {"credit": False}, {"autoregressive": False, "credit": False}], ids=str
)
def test_ablations_conform(changes: dict[str, bool]) -> None:
    policy = policy_of(small_model(2), **changes, temperature=2.0)
    check_log_prob_sums_to_one(policy, policy.space)
    check_proposals(policy, policy.space, 16)


@pytest.mark.parametrize("autoregressive", [True, False])
@pytest.mark.parametrize("credit", [True, False])
@pytest.mark.parametrize("rules", ["free", "distinct"])
def test_log_probabilities_are_torchs(autoregressive: bool, credit: bool, rules: str) -> None:
    """The same weights, the same combinations: numpy's log pi and that of the roll-out in training agree."""
    bound = small_model(3, small_catalogue(rules=RULES[rules]))
    net, network = small_generator(bound, autoregressive=autoregressive, credit=credit)
    _check_against_torch(bound, net, network)


def test_log_probabilities_are_torchs_above_the_shortlist(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a shortlist of 2 every later slot completes only the two candidates of largest credit."""
    for module in (decoding, generator_loop, product_encoding):
        monkeypatch.setattr(module, "SHORTLIST", 2)
    bound = small_model(4)
    net, network = small_generator(bound)
    _check_against_torch(bound, net, network)


def test_log_probabilities_are_torchs_with_many_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real shortlist of 64, over 150 titles and 140 notes, 16 landmarks a slot."""
    monkeypatch.setitem(PER_PRODUCT, "title", 150)
    monkeypatch.setitem(PER_PRODUCT, "note", 140)
    bound = small_model(
        5, small_catalogue(1, (Slot("note_1", "note"), Slot("title", "title"), Slot("tag", "tag", required=False)))
    )
    net, network = small_generator(bound)
    assert legal_space(bound.catalogue, 0).sizes == (140, 150, 4)
    _check_against_torch(bound, net, network)


def _check_against_torch(bound: BoundRewardModel, net: torch.nn.Module, network) -> None:  # type: ignore[no-untyped-def]
    spaces, tables, products = small_tables(bound, net)  # type: ignore[arg-type]
    context = small_context(9)
    mask_of = rule_masks(spaces, products, tables.mask.shape[2])
    for product, space in spaces.items():
        positions = space.sample_uniform(np.random.default_rng(0), 40)
        given = [torch.from_numpy(positions[:, c].astype(np.int64))[None] for c in range(space.num_slots)]
        with torch.no_grad():
            rollout = roll_out(
                net,
                tables,
                torch.tensor([product]),
                torch.from_numpy(context)[None],
                40,
                torch.Generator(),
                mask_of,
                given=given,  # type: ignore[arg-type]
            )
        wanted = torch.stack(rollout.log_probs).sum(0)[0].numpy()
        policy = RequestPolicy(encode_product(bound, network, product, space), network, context)
        np.testing.assert_allclose(policy.log_prob(positions), wanted, atol=2e-3, rtol=1e-4)


def test_hand_worked_single_slot() -> None:
    """One slot, two candidates, pointer silent: pi = softmax(own / (scale * temperature))."""
    bound = small_model(6, small_catalogue(1, (Slot("tag", "tag"),)), pair=False)
    _, network = small_generator(bound, wild=0.0, temperature=0.25)
    space = legal_space(bound.catalogue, 0)
    context = small_context(1)
    policy = RequestPolicy(encode_product(bound, network, 0, space), network, context)
    own = bound.tables(0, context, space.candidates).own[0] / (0.7 * 0.25)
    wanted = own - np.log(np.exp(own).sum())
    np.testing.assert_allclose(policy.log_prob(np.arange(3, dtype=np.int32)[:, None]), wanted, atol=1e-4)
    assert policy.greedy().tolist() == [int(own.argmax())]


def _three(seed: int) -> RequestPolicy:
    """A space of exactly three combinations."""
    listed = (
        ("p0.title0", "p0.image0", "p0.note0", None, "p0.note1"),
        ("p0.title0", "p0.image2", "p0.note3", "p0.tag0", "p0.note1"),
        ("p0.title3", "p0.image2", "p0.note0", "shared.tag", "p0.note2"),
    )
    return policy_of(small_model(7, small_catalogue(rules=(Only("p0", listed),))), seed=seed, temperature=20.0)


def test_draws_without_replacement_have_the_right_inclusion_frequencies() -> None:
    """Greedy first; the second proposal is the first of the others in a draw without replacement: p_a / (p_a + p_b)."""
    policy = _three(3)
    legal = policy.space.enumerate(10)
    probability = np.exp(policy.log_prob(legal).astype(float))
    best = int((legal == policy.greedy()).all(axis=1).argmax())
    others = [i for i in range(3) if i != best]
    assert probability.min() > 0.02
    rng, num = np.random.default_rng(0), 1_000
    second = [policy.propose(2, rng)[0][1] for _ in range(num)]
    seen = [int((np.array(second) == legal[i]).all(axis=1).sum()) for i in others]
    share = probability[others] / probability[others].sum()
    assert sum(seen) == num
    assert chisquare(seen, share * num).pvalue > 1e-3


def test_order_of_the_stochastic_beam_is_that_of_successive_draws() -> None:
    """All three proposed: (greedy, a, b) and (greedy, b, a) by the same odds; and nothing is lost or repeated."""
    policy = _three(5)
    legal = policy.space.enumerate(10)
    rng = np.random.default_rng(1)
    orders = {order: 0 for order in permutations(range(3))}
    for _ in range(600):
        found, _ = policy.propose(3, rng)
        orders[tuple(int((legal == row).all(axis=1).argmax()) for row in found)] += 1
    probability = np.exp(policy.log_prob(legal).astype(float))
    best = int((legal == policy.greedy()).all(axis=1).argmax())
    assert sum(count for order, count in orders.items() if order[0] == best) == 600
    a, b = (i for i in range(3) if i != best)
    share = probability[[a, b]] / probability[[a, b]].sum()
    assert chisquare([orders[best, a, b], orders[best, b, a]], share * 600).pvalue > 1e-3


def test_inclusion_frequencies_on_a_larger_space() -> None:
    """Leaving the greedy one out, the first drawn proposal is a draw of the policy given that it is not greedy."""
    slots = (Slot("title", "title"), Slot("image", "image"))
    policy = policy_of(small_model(8, small_catalogue(1, slots)), temperature=3.0)
    greedy = policy.greedy()

    def given_not_greedy(positions: np.ndarray) -> np.ndarray:
        probability = np.exp(policy.log_prob(positions).astype(float))
        probability[(positions == greedy).all(axis=1)] = 0.0
        return probability / (1 - float(np.exp(policy.log_prob(greedy[None])[0])))

    rng = np.random.default_rng(2)
    second = np.array([policy.propose(4, rng)[0][1] for _ in range(1_500)])
    check_frequencies(second, given_not_greedy, policy.space)


def test_beam_is_exact_when_it_is_wide_enough() -> None:
    policy = policy_of(small_model(9))
    legal = policy.space.enumerate(10_000)
    log_prob = policy.log_prob(legal)
    found, values = policy.beam(len(legal))
    assert len(found) == len(legal)
    np.testing.assert_allclose(values, np.sort(log_prob)[::-1], atol=1e-3)
    few, _ = policy.beam(5)
    assert policy.space.is_legal(few).all() and len(np.unique(few, axis=0)) == 5


def test_illegal_and_missing_positions() -> None:
    policy = policy_of(small_model(1, small_catalogue(rules=RULES["distinct"])))
    bad = np.array([[0, 0, 1, 0, 1], [0, 0, 9, 0, 1], [-1, 0, 0, 0, 1], [0, 0, 0, 0, 1]], dtype=np.int32)
    log_prob = policy.log_prob(bad)
    assert (log_prob[:3] == -np.inf).all() and np.isfinite(log_prob[3])
    assert log_prob[3] == pytest.approx(policy.log_prob(bad[3:])[0], abs=1e-5)
    assert (policy.log_prob(bad[:2]) == -np.inf).all()
    assert policy.log_prob(bad[:0]).shape == (0,)


def test_chunks_change_no_log_probability() -> None:
    policy = policy_of(small_model(1))
    legal = policy.space.enumerate(10_000)
    np.testing.assert_allclose(policy.log_prob(legal, chunk=7), policy.log_prob(legal, chunk=10_000), atol=1e-5)


def test_one_candidate_everywhere_has_probability_one() -> None:
    policy = policy_of(small_model(1, small_catalogue(rules=RULES["one left"])))
    only = policy.space.enumerate(10)
    assert len(only) == 1 and policy.log_prob(only)[0] == pytest.approx(0, abs=1e-6)
    assert policy.propose(16, np.random.default_rng(0))[0].tolist() == only.tolist()


def test_extreme_temperature_stays_finite() -> None:
    policy = policy_of(small_model(1), temperature=1e-3)
    log_prob = policy.log_prob(policy.space.enumerate(10_000))
    assert not np.isnan(log_prob).any() and log_prob.max() == pytest.approx(0, abs=1e-3)
    check_proposals(policy, policy.space, 16)
    check_proposals(policy, policy.space, 768)


def test_golden_proposals() -> None:
    """Seeded: the same proposals as when the golden was written."""
    policy = policy_of(small_model(11), seed=1)
    found, _ = policy.propose(4, np.random.default_rng(7))
    assert found.tolist() == GOLDEN, found.tolist()


GOLDEN = [[2, 0, 2, 2, 2], [2, 1, 1, 0, 1], [2, 0, 2, 0, 2], [2, 0, 1, 2, 2]]
