"""Stage 1's loop: draws follow the policy, same seed same bits, saved and restored the same bits, and it learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from tests.kits.small_models import SLOTS, small_catalogue, small_context, small_generator, small_model, small_tables

from genco.data.catalogue import Slot
from genco.data.rules import Distinct
from genco.errors import ConfigError
from genco.training.generator_loop import GeneratorTraining, GeneratorTrainingConfig, roll_out
from genco.training.proposal_tables import rule_masks
from genco.training.uncertainty import uncertainty_penalty

CONTEXTS = np.stack([small_context(seed) for seed in range(3)])
SHARE = np.array([0.5, 0.3, 0.2])


def training(
    steps: int = 12,
    seed: int = 0,
    slots: tuple[Slot, ...] = SLOTS,
    network: dict[str, Any] | None = None,
    **changes: Any,
) -> GeneratorTraining:
    """Training of a small generator under a rule between slots, with the uncertainty penalty."""
    rules = (Distinct(("note_1", "note_2")),) if len(slots) > 4 else ()
    bound = small_model(1, small_catalogue(slots=slots, rules=rules), residual=changes.pop("residual", False))
    net, _ = small_generator(bound, wild=0.0, **(network or {}))
    spaces, tables, products = small_tables(bound, net)
    config = GeneratorTrainingConfig(
        **{"steps": steps, "requests": 12, "group": 6, "warm_start_steps": 0, "kl_weight": 0.0, **changes}
    )
    end = uncertainty_penalty(bound, tables, products, config.uncertainty_penalty)
    masks = rule_masks(spaces, products, int(tables.mask.shape[2]))
    return GeneratorTraining(net, tables, CONTEXTS, SHARE, np.arange(len(products)), config, seed, masks, end)


def weights(loop: GeneratorTraining) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy().copy() for name, p in loop.generator.named_parameters()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_same_seed_same_bits_another_seed_others() -> None:
    runs = []
    for seed in (0, 0, 1):
        loop = training(seed=seed)
        curve = [{k: v for k, v in row.items() if k != "seconds"} for row in loop.run()]
        runs.append((weights(loop), curve))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])


@pytest.mark.parametrize("kl_weight", [0.0, 0.2])
def test_saved_and_restored_is_bit_identical(kl_weight: float) -> None:
    """Interrupted after 5 of 12 steps, and the snapshot does not move while training goes on."""
    whole = training(kl_weight=kl_weight)
    snapshot = None
    for row in whole.run():
        if row["step"] == 5:
            snapshot = whole.snapshot([row])
    assert snapshot is not None
    fresh = training(kl_weight=kl_weight)
    assert fresh.restore(*snapshot) == snapshot[1]["curve"]
    assert fresh.step_number == 5
    assert len(list(fresh.run())) == 7
    assert same(weights(fresh), weights(whole))


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ({}, {}),
        ({"autoregressive": False}, {}),
        ({"credit": False}, {}),
        ({}, {"credit": False}),
        ({"autoregressive": False}, {"credit": False, "kl_weight": 0.1}),
        ({}, {"uncertainty_penalty": 0.0}),
        ({}, {"residual": True}),
        ({}, {"group": 1}),
        ({}, {"steps": 0}),
    ],
    ids=str,
)
def test_every_setting_trains(network: dict[str, Any], changes: dict[str, Any]) -> None:
    loop = training(network=network, **{"steps": 3, **changes})
    rows = list(loop.run())
    assert len(rows) == loop.config.steps
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert all(np.isfinite(values).all() for values in weights(loop).values())


@pytest.mark.parametrize("credit", [True, False])
def test_it_learns(credit: bool) -> None:
    """A pointer that starts without the reward model's credit finds better combinations."""
    loop = training(
        150, network={"credit": False}, credit=credit, learning_rate=0.02, uncertainty_penalty=0.0, requests=32, group=8
    )
    rewards = [row["reward"] for row in loop.run()]
    assert np.mean(rewards[-10:]) > np.mean(rewards[:10]) + 0.3


def test_a_divergence_weight_holds_the_policy_back() -> None:
    """A hundred times the pull: the policy stays where it started."""
    free, held = (training(30, kl_weight=kl, learning_rate=0.02, network={"credit": False}) for kl in (0.0, 20.0))
    assert free.reference is None and held.reference is not None
    distance = []
    for loop in (free, held):
        product, context, _ = loop.requests_of(999)
        before = roll_out(
            loop.generator, loop.tables, product, context, 64, torch.Generator().manual_seed(0), loop.mask_of
        )
        list(loop.run())
        after = roll_out(
            loop.generator, loop.tables, product, context, 64, torch.Generator(), loop.mask_of, given=before.choices
        )
        moved = torch.stack(before.log_probs).sum(0) - torch.stack(after.log_probs).sum(0)
        distance.append(moved.mean().item())
    assert distance[1] < 0.2 * distance[0]


def test_the_reference_is_where_training_begins_and_stays() -> None:
    loop = training(4, kl_weight=0.1)
    assert loop.reference is not None
    start = weights(loop)
    list(loop.run())
    assert same({name: p.numpy() for name, p in loop.reference.named_parameters()}, start)
    assert not same(weights(loop), start)
    assert not any(p.requires_grad for p in loop.reference.parameters())


def test_requests_are_a_function_of_seed_and_step() -> None:
    a, b = training(), training()
    for one, other in zip(a.requests_of(3)[:2], b.requests_of(3)[:2], strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(a.requests_of(3)[1], a.requests_of(4)[1])
    drawn = torch.cat([a.requests_of(step)[1] for step in range(200)])
    counts = [int((drawn == torch.from_numpy(context)).all(1).sum()) for context in CONTEXTS]
    assert sum(counts) == len(drawn) and chisquare(counts, SHARE * len(drawn)).pvalue > 1e-3


def test_draws_follow_the_policy() -> None:
    """Chi-squared of drawn combinations against their own probabilities, two slots."""
    loop = training(slots=SLOTS[:2], network={"temperature": 2.0})
    product, context = torch.tensor([0]), torch.from_numpy(CONTEXTS[:1])
    every = torch.cartesian_prod(torch.arange(4), torch.arange(3))
    exact = roll_out(loop.generator, loop.tables, product, context, 12, torch.Generator(), given=list(every.T[:, None]))
    probability = torch.stack(exact.log_probs).sum(0)[0].exp().detach().numpy().astype(float)
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    drawn = roll_out(loop.generator, loop.tables, product, context, 4_000, torch.Generator().manual_seed(0))
    index = (drawn.choices[0] * 3 + drawn.choices[1])[0].numpy()
    counts = np.bincount(index, minlength=12)
    keep = probability * 4_000 >= 5
    counts, expected = (np.append(v[keep], v[~keep].sum() + 1e-9) for v in (counts.astype(float), probability * 4_000))
    assert chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4


def test_no_illegal_combination_is_drawn() -> None:
    loop = training()
    product, context, rng = loop.requests_of(0)
    drawn = roll_out(loop.generator, loop.tables, product, context, 400, rng, loop.mask_of)
    rows = [loop.tables.rows[product, c].gather(1, drawn.choices[c]) for c in range(5)]
    assert (rows[2] != rows[4]).all()
    for slot in range(5):
        assert loop.tables.mask[product, slot].gather(1, drawn.choices[slot]).all()


def test_credit_of_a_draw_is_its_uplift() -> None:
    from genco.runtime.refine import score

    bound = small_model(1)
    net, _ = small_generator(bound)
    spaces, tables, _ = small_tables(bound, net)
    drawn = roll_out(
        net, tables, torch.tensor([0]), torch.from_numpy(CONTEXTS[:1]), 50, torch.Generator().manual_seed(1)
    )
    positions = torch.cat(drawn.choices).T.numpy().astype(np.int32)
    wanted = score(bound.tables(0, CONTEXTS[0], spaces[0].candidates), positions) / tables.scale
    np.testing.assert_allclose(drawn.credit[0].numpy(), wanted, atol=1e-4)


def test_slot_values_are_expectations_over_all_alternatives() -> None:
    """Sum over candidates of pi * (credit + lookahead), plus tau * entropy, for the first slot by hand."""
    loop = training(slots=SLOTS[:2], network={"temperature": 2.0})
    product, context = torch.tensor([0]), torch.from_numpy(CONTEXTS[:1])
    given = [torch.arange(4)[None], torch.zeros(1, 4, dtype=torch.int64)]
    draws = roll_out(loop.generator, loop.tables, product, context, 4, torch.Generator(), given=given)
    log_policy = draws.log_probs[0][0]
    own = loop.tables.own_in(product, context, 0)[0] / loop.tables.scale
    worth = own + draws.lookaheads[0][0]
    expected = (log_policy.exp() * worth).sum() - 2.0 * (log_policy.exp() * log_policy).sum()
    torch.testing.assert_close(draws.slot_values[0][0], expected.expand(4))


def test_large_catalogues_take_fewer_requests_a_step() -> None:
    loop = training()
    small = GeneratorTraining(
        loop.generator,
        loop.tables,
        CONTEXTS,
        SHARE,
        np.arange(3),
        replace(loop.config, requests=10_000, max_candidates_per_step=400),
        0,
    )
    assert len(small.requests_of(0)[0]) == 400 // (6 * 4)


@pytest.mark.parametrize("name", ["requests", "contexts_per_product", "group", "max_candidates_per_step"])
def test_counts_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"`{name}` should be positive. Found `{name} = 0`"):
        GeneratorTrainingConfig(**{name: 0})
