"""The reward model as padded tensors: the scores of the product encoding, and masks that are the legal space's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.kits.reward_model import sampled
from tests.kits.small_models import small_catalogue, small_context, small_generator, small_model, small_tables

from genco.data.catalogue import EMPTY
from genco.data.rules import Block, Distinct, Forbid, Pin
from genco.runtime.legal_space import legal_space
from genco.runtime.open_products import open_products
from genco.runtime.refine import score
from genco.training.generator_loop import RequestScores
from genco.training.proposal_tables import proposal_tables, rule_masks, uplift_scale

RULES = (
    Distinct(("note_1", "note_2")),
    Forbid((("p0.title0", "p0.image0"),)),
    Pin("title", "p1.title3"),
    Block("p0.tag0"),
)


def test_credits_along_a_combination_are_its_uplift() -> None:
    """Own term to its slot, pair term to the later slot; in units of the scale, under rules that cut candidates."""
    bound = small_model(1, small_catalogue(rules=RULES))
    net, _ = small_generator(bound)
    spaces, tables, products = small_tables(bound, net)
    context = small_context(2)
    for row, product in enumerate(products):
        space = spaces[int(product)]
        positions = sampled(space, num=20)
        scores = RequestScores(tables, torch.tensor([row]), torch.from_numpy(context)[None], 20)
        total = torch.zeros(20)
        for slot in range(5):
            choice = torch.from_numpy(positions[:, slot].astype(np.int64))[None]
            total += scores.credit(slot)[0].gather(1, choice[0][:, None])[:, 0]
            scores.choose(slot, choice)
        wanted = score(bound.tables(int(product), context, space.candidates), positions) / tables.scale
        np.testing.assert_allclose(total.numpy(), wanted, atol=1e-4)


def test_rows_and_mask_name_the_candidates_that_rules_leave() -> None:
    bound = small_model(1, small_catalogue(rules=RULES))
    spaces, tables, products = small_tables(bound, small_generator(bound)[0])
    for row, product in enumerate(products):
        for slot, rows in enumerate(spaces[int(product)].candidates):
            assert tables.rows[row, slot, : len(rows)].tolist() == rows.tolist()
            assert (tables.rows[row, slot, len(rows) :] == EMPTY).all()
            assert tables.mask[row, slot].sum() == len(rows) and tables.mask[row, slot, : len(rows)].all()
            assert (tables.landmarks[row, slot] < len(rows)).all()


def test_masks_are_those_of_the_legal_space() -> None:
    bound = small_model(1, small_catalogue(rules=RULES))
    spaces, tables, products = small_tables(bound, small_generator(bound)[0])
    widest = int(tables.mask.shape[2])
    mask_of = rule_masks(spaces, products, widest)
    assert mask_of is not None
    rows = torch.tensor([0, 1, 2])
    choices: list[torch.Tensor] = []
    rng = np.random.default_rng(0)
    drawn = [spaces[int(p)].sample_uniform(rng, 4) for p in products]
    for slot in range(5):
        found = mask_of(slot, rows, choices)
        assert found is not None
        for row, product in enumerate(products):
            space = spaces[int(product)]
            exact = space.mask(drawn[row][:, :slot])
            allowed = (found & tables.mask[rows, slot][:, None])[row, :, : exact.shape[1]]
            np.testing.assert_array_equal(np.broadcast_to(allowed.numpy(), exact.shape), exact)
        choices.append(torch.from_numpy(np.stack([d[:, slot] for d in drawn]).astype(np.int64)))


def test_no_rule_between_slots_needs_no_mask() -> None:
    catalogue = small_catalogue(rules=(Pin("title", "p1.title3"), Block("p0.tag0")))
    spaces = {p: legal_space(catalogue, p) for p in range(3)}
    assert rule_masks(spaces, np.arange(3), 4) is None


def test_tables_skip_closed_products() -> None:
    bound = small_model(1, small_catalogue(rules=tuple(Block(f"p1.title{i}") for i in range(4))))
    spaces, _ = open_products(bound.catalogue)
    net, _ = small_generator(bound)
    tables, products = proposal_tables(bound, spaces, small_context()[None], np.ones(1), net.config, 0)
    assert products.tolist() == [0, 2] and len(tables.features) == 2


def test_scale_is_the_spread_of_the_uplift() -> None:
    """Over random combinations within a request; never zero."""
    bound = small_model(1)
    spaces = {p: legal_space(bound.catalogue, p) for p in range(3)}
    context = small_context()
    found = uplift_scale(bound, spaces, context[None], np.ones(1), seed=0)
    exact = np.mean(
        [score(bound.tables(p, context, s.candidates), s.enumerate(10_000)).var() for p, s in spaces.items()]
    )
    assert found == pytest.approx(np.sqrt(exact), rel=0.1)
    flat = small_model(1, own=False, pair=False, context=False, optional=(False,) * 4)
    silent = small_model(1, catalogue=flat.catalogue, own=False, pair=False, context=False, optional=(False,) * 4)
    object.__setattr__(silent, "element_mean", np.zeros_like(silent.element_mean))
    object.__setattr__(silent.model, "reference_pool", {})
    assert uplift_scale(silent, spaces, context[None], np.ones(1), seed=0) == 1e-3
