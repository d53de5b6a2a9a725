"""What was added while serving, on a run that knows some of it itself and lacks some of it."""

from __future__ import annotations

import polars as pl
import pytest

from genco.data.catalogue import ELEMENT_COLUMNS
from genco.data.rules import Allow, Forbid, Only, Pin, Rule
from genco.errors import RuleError
from genco.policies.inline import with_candidates
from genco.policies.optimizer import Optimizer
from genco.runtime.legal_space import legal_space
from genco.serving.additions import AddedElement, Additions, grown, table_like


def pool(optimizer: Optimizer, slot: int) -> list[str]:
    """Approved elements of the first product."""
    ids = optimizer.catalogue.elements["element_id"]
    return [str(ids[int(row)]) for row in optimizer.catalogue.pool(0, slot)]


@pytest.mark.parametrize(("sent", "left"), [("approved", 0), ("pending", 1), ("blocked", 1)])
def test_the_stricter_status_of_an_element_the_run_knows_holds(card_optimizer: Optimizer, sent: str, left: int) -> None:
    name, *others = pool(card_optimizer, 0)
    row = AddedElement(element_id=name, component="title", status=sent)  # type: ignore[arg-type]
    found = grown(card_optimizer, Additions(elements=(row,)))
    assert pool(found, 0) == ([name, *others] if not left else others)
    assert found.catalogue.elements.drop("status").equals(card_optimizer.catalogue.elements.drop("status"))


def test_a_looser_status_is_left_to_the_run(card_optimizer: Optimizer) -> None:
    catalogue, name = card_optimizer.catalogue, pool(card_optimizer, 0)[0]
    status = catalogue.elements.select(
        pl.when(pl.col("element_id") == name).then(pl.lit("blocked")).otherwise(pl.col("status")).alias("status")
    )["status"]
    row = AddedElement(element_id=name, component="title", status="approved")
    assert name not in pool(grown(card_optimizer.holding(status, catalogue.rules), Additions(elements=(row,))), 0)


def test_a_rule_holds_for_what_a_run_knows_where_it_lacks_the_rest(card_optimizer: Optimizer) -> None:
    slots = card_optimizer.slot_names
    product = str(card_optimizer.catalogue.products["product_id"][0])
    titles, images = pool(card_optimizer, 0), pool(card_optimizer, 1)

    def fitting(rule: Rule) -> tuple[Rule, ...]:
        return grown(card_optimizer, Additions(rules=(rule,))).catalogue.rules[len(card_optimizer.catalogue.rules) :]

    pair, gone = (titles[0], images[0]), (titles[0], "gone")
    assert fitting(Forbid((pair, gone))) == (Forbid((pair,)),)
    empty = Allow((slots[0], slots[1]), (pair, (titles[1], ""), gone), product)
    assert fitting(empty) == (Allow((slots[0], slots[1]), (pair, (titles[1], "")), product),)
    shown = (titles[0], images[0], *(pool(card_optimizer, slot)[0] for slot in range(2, len(slots))))
    assert fitting(Only(product, (shown, ("gone", *shown[1:])))) == (Only(product, (shown,)),)
    assert not fitting(Pin(slots[0], "gone", product)) and not fitting(Forbid((pair,), "no product"))


def test_where_nothing_of_a_list_is_known_nothing_is_legal(card_optimizer: Optimizer) -> None:
    slots, product = card_optimizer.slot_names, str(card_optimizer.catalogue.products["product_id"][0])
    rule = Allow((slots[0], slots[1]), (("gone", "too"),), product)
    found = grown(card_optimizer, Additions(rules=(rule,))).catalogue
    with pytest.raises(RuleError):
        legal_space(found, 0)
    legal_space(found, 1)


def test_a_candidate_brought_along_is_scored_as_the_same_element_added(card_optimizer: Optimizer) -> None:
    catalogue, name = card_optimizer.catalogue, pool(card_optimizer, 0)[0]
    product = str(catalogue.products["product_id"][0])
    (row,) = catalogue.elements.filter(pl.col("element_id") == name).iter_rows(named=True)
    features = {key: value for key, value in row.items() if key not in ELEMENT_COLUMNS}
    twin = AddedElement(
        element_id="twin",
        product_id=product,
        component="title",
        text=row["text"],
        image_uri=row["image_uri"],
        status="approved",
        features=features,
    )
    added = grown(card_optimizer, Additions(elements=(twin,)))
    brought = with_candidates(card_optimizer, catalogue.products[:1], table_like(catalogue.elements, [twin.row]))

    def effect(optimizer: Optimizer) -> tuple[float, float]:
        bound, at = optimizer.policy.bound, optimizer.catalogue.element_rows["twin"]
        return float(bound.element_mean[at]), float(bound.element_var[at])

    assert card_optimizer.model.shared_effect and effect(brought) == effect(added)
    assert effect(brought) != (0.0, card_optimizer.model.element_variance)
