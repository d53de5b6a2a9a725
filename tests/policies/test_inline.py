"""One product with candidates of its own: rules and scores as in the whole catalogue, new content read like old."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from genco.data.rules import Allow, Block, Forbid, Pin, Rule
from genco.policies.inline import with_candidates
from genco.policies.optimizer import Optimizer
from genco.runtime.decision import DecisionConfig, ProductDecisions


def governed(optimizer: Optimizer, *rules: Rule) -> Optimizer:
    catalogue = replace(optimizer.catalogue, rules=(*optimizer.catalogue.rules, *rules))
    return optimizer.under(catalogue, optimizer.policy.decision, ProductDecisions())


def alone(optimizer: Optimizer, product: int, elements: pl.DataFrame | None = None) -> Optimizer:
    catalogue = optimizer.catalogue
    new = catalogue.elements[:0] if elements is None else elements
    return with_candidates(optimizer, catalogue.products[product : product + 1], new)


def legal(optimizer: Optimizer, product: int) -> dict[tuple[str | None, ...], float]:
    """Legal combinations and their uplifts."""
    policy = optimizer.policy
    request = policy.request(product, optimizer.context({}))
    positions = request.space.enumerate(100_000)
    uplift = policy.scores(request, positions)
    ids = [optimizer.catalogue.combination_ids(row) for row in policy.rows(request.space, positions)]
    return dict(zip(ids, uplift.tolist(), strict=True))


@pytest.mark.parametrize("product", [0, 5])
def test_without_new_candidates_it_is_the_whole_catalogue(card_optimizer: Optimizer, product: int) -> None:
    ids = card_optimizer.catalogue.elements["element_id"]
    titles, images = ([str(ids[int(row)]) for row in card_optimizer.catalogue.pool(product, slot)] for slot in (0, 1))
    name = str(card_optimizer.catalogue.products["product_id"][product])
    rules = (
        Forbid(((titles[0], images[0]), ("e0000000", "e0000001"))),
        Allow(("title", "image"), tuple((title, images[-1]) for title in titles), name),
        Block(images[0], None, name),
        Pin("title", titles[-1], name),
    )
    for num in range(len(rules) + 1):
        whole = governed(card_optimizer, *rules[:num])
        expected, found = legal(whole, product), legal(alone(whole, product), 0)
        assert found.keys() == expected.keys() and expected
        assert found == {ids: pytest.approx(uplift, abs=1e-4) for ids, uplift in expected.items()}


def test_a_twin_scores_like_its_original(card_optimizer: Optimizer) -> None:
    catalogue = card_optimizer.catalogue
    original = int(catalogue.pool(0, 0)[0])
    twin = catalogue.elements[original : original + 1].with_columns(element_id=pl.lit("twin"))
    small = alone(card_optimizer, 0, twin)
    name = str(catalogue.elements["element_id"][original])
    found, bound = legal(small, 0), small.policy.bound
    row = small.catalogue.element_rows["twin"]
    beyond = float(
        card_optimizer.policy.bound.element_mean[original] - bound.element_mean[row]
    )  # what texts do not share
    for combination, uplift in found.items():
        if combination[0] == "twin":
            assert uplift + beyond == pytest.approx(found[(name, *combination[1:])], abs=1e-4)
    # what its own id would add is unknown; what equal texts share is known a little
    assert (
        bound.element_var[small.catalogue.element_rows[name]] < bound.element_var[row] <= bound.model.element_variance
    )
    assert bound.element_var[-1] == 0


def test_shares_and_pauses_of_the_product_hold(card_optimizer: Optimizer) -> None:
    catalogue = card_optimizer.catalogue
    title = str(catalogue.elements["element_id"][int(catalogue.pool(2, 0)[0])])
    decisions = ProductDecisions({2: {title: 0.5}}, frozenset([1]))
    whole = card_optimizer.under(catalogue, DecisionConfig(), decisions)
    shared = alone(whole, 2)
    request = shared.policy.request(0, shared.context({}))
    positions = request.space.enumerate(100_000)
    propensity = shared.policy.decide(request).propensity(positions)
    shown = shared.policy.rows(request.space, positions)[:, 0] == shared.catalogue.element_rows[title]
    assert propensity[shown].sum() >= 0.5 and propensity.sum() == pytest.approx(1)
    paused = alone(whole, 1)
    assert paused.policy.decide(paused.policy.request(0, paused.context({}))).greedy_weight == 1.0


def test_an_unknown_product_has_shared_and_new_elements_only(card_optimizer: Optimizer) -> None:
    catalogue = card_optimizer.catalogue
    product = catalogue.products[:1].with_columns(product_id=pl.lit("unknown"))
    rows = np.concatenate([catalogue.pool(0, slot) for slot in range(catalogue.num_slots)])
    mine = catalogue.elements[np.unique(rows)].filter(pl.col("product_id").is_not_null())
    mine = mine.with_columns(element_id="x" + pl.col("element_id"), product_id=pl.lit("unknown"))
    small = with_candidates(card_optimizer, product, mine)
    assert {name for ids in legal(small, 0) for name in ids if name is not None} >= set(mine["element_id"])
    assert small.catalogue.num_products == 1 and small.policy.bound.appeal_base.shape == (1,)
