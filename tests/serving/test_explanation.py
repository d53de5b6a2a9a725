"""With `explain`: what was proposed, and credits that add up to the uplift of what was served."""

from __future__ import annotations

import pytest
from tests.kits.running_service import RunningService

from genco.policies.optimizer import Optimizer


def test_an_explained_decision_adds_up(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product = str(pairs_optimizer.catalogue.products["product_id"][7])
    best = pairs_optimizer.generate(product, k=100)
    known = {tuple(proposal.combination.values()): proposal for proposal in best}
    for ask in ({}, {"pinned": [{"slot_id": "title", "element_id": best[-1].combination["title"]}]}):
        answer = service.decide(product, explain=True, **ask)
        attribution, candidates = answer["attribution"], answer["candidates"]
        assert attribution["unit"] == "logit"
        shown = tuple(slot["element_id"] for slot in answer["slots"])
        proposal = known[shown]
        assert attribution["uplift"] == pytest.approx(proposal.uplift, abs=1e-4)
        assert attribution["click_probability"] == pytest.approx(proposal.click_probability, abs=1e-5)
        assert sum(credit["total"] for credit in attribution["elements"]) == pytest.approx(proposal.uplift, abs=1e-4)
        for credit, theirs in zip(attribution["elements"], proposal.attribution, strict=True):
            assert (credit["slot_id"], credit["element_id"]) == (theirs.slot, theirs.element_id)
            assert credit["own"] + credit["interaction"] + credit["residual"] == pytest.approx(
                credit["total"], abs=1e-5
            )
            assert credit["low"] < credit["total"] < credit["high"]
        uplifts = [candidate["uplift"] for candidate in candidates]
        assert len(candidates) == 10 and uplifts == sorted(uplifts, reverse=True)
        assert sum(candidate["propensity"] for candidate in candidates) <= 1 + 1e-9
        mine = [c["propensity"] for c in candidates if tuple(s["element_id"] for s in c["slots"]) == shown]
        assert mine in ([], [pytest.approx(answer["propensity"])])
    plain = service.decide(product)
    assert plain["candidates"] is None and plain["attribution"] is None


def test_a_repeated_request_is_explained_again(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product = str(pairs_optimizer.catalogue.products["product_id"][8])
    first, again = (service.decide(product, explain=True, event_id="why-1") for _ in range(2))
    assert {**first, "took_ms": 0} == {**again, "took_ms": 0} and first["attribution"]["elements"]
