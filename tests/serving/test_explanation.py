"""With `explain`: what was proposed, and credits that add up to the uplift of what was served."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kits.running_service import InProcess, RunningService, error_code

from genco.policies.optimizer import Optimizer
from genco.serving.changes import BlockElement
from genco.serving.routes.decide import _explained
from genco.serving.schemas import DecideAnswer, DecideRequest
from genco.storage.runs import RunFolder


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


def test_a_decision_is_answered_where_it_can_be_explained_no_more(pairs_run: RunFolder, tmp_path: Path) -> None:
    """Between the choice and its explanation a pinned element is blocked."""
    with InProcess(pairs_run.path, str(tmp_path / "store.db"), rate_per_second=1e6) as running:
        catalogue = running.service.model.catalogue
        product, slot = str(catalogue.products["product_id"][0]), running.service.model.slot_names[0]
        element = str(catalogue.elements["element_id"][int(catalogue.pool(0, 0)[0])])
        pinned = [{"slot_id": slot, "element_id": element}]
        ask = DecideRequest.model_validate({"product_id": product, "pinned": pinned, "explain": True})
        made = DecideAnswer.model_validate(running.decide(product, pinned=pinned))
        assert _explained(running.service, ask, made).attribution is not None
        running.service.controls.apply([BlockElement(product_id=product, element_id=element)], "user:ann")
        assert _explained(running.service, ask, made) == made


def test_odd_queries_and_paths_are_told_what_is_wrong(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product = str(pairs_optimizer.catalogue.products["product_id"][0])
    for context in ('{"segment": "\\ud800"}', '{"segment": NaN}', '{"segment": 1e999}'):
        answer = service.client.get("/v1/reports/interactions", params={"product_id": product, "context": context})
        assert (answer.status_code, error_code(answer)) == (422, "invalid_query")
    long = service.client.post("/v1/models", json={"path": "a" * 300})
    assert (long.status_code, error_code(long)) == (422, "model_unusable")
