"""Decisions of a running server: legal, logged, exact, and never without an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2
from sqlalchemy import text
from tests.kits.running_service import InProcess, RunningService, error_code

from genco.policies.optimizer import Optimizer
from genco.serving.errors import StoreUnavailableError
from genco.storage.runs import RunFolder


def shown(answer: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(slot["element_id"] for slot in answer["slots"])


def first_product(optimizer: Optimizer, number: int = 0) -> str:
    return str(optimizer.catalogue.products["product_id"][number])


def pool(optimizer: Optimizer, product: int, slot: int) -> list[str]:
    return [
        str(optimizer.catalogue.elements["element_id"][int(row)]) for row in optimizer.catalogue.pool(product, slot)
    ]


def test_propensities_are_exact(service: RunningService, pairs_optimizer: Optimizer) -> None:
    """Frequencies of what is served equal the propensities in the answers (chi-squared)."""
    product = first_product(pairs_optimizer)
    answers = [service.decide(product) for _ in range(300)]
    propensity = {shown(answer): answer["propensity"] for answer in answers}
    assert all(answer["propensity"] == propensity[shown(answer)] for answer in answers)
    common = [combination for combination, p in propensity.items() if p * len(answers) >= 5]
    observed = np.array([sum(shown(answer) == c for answer in answers) for c in common], dtype=float)
    expected = np.array([propensity[c] for c in common]) * len(answers)
    rest = len(answers) - observed.sum(), len(answers) - expected.sum()
    if rest[1] >= 5:
        observed, expected = np.append(observed, rest[0]), np.append(expected, rest[1])
    assert chi2.sf(((observed - expected) ** 2 / expected).sum(), len(expected)) > 1e-6
    assert sum(propensity.values()) <= 1 + 1e-9


def test_pins_exclusions_and_candidates_are_obeyed(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product = first_product(pairs_optimizer, 1)
    titles, images = pool(pairs_optimizer, 1, 0), pool(pairs_optimizer, 1, 1)
    pinned = [{"slot_id": "title", "element_id": titles[2]}]
    asked = {
        "pinned": pinned,
        "excluded": [images[0]],
        "slots": [{"id": "image", "candidates": [{"id": images[0]}, {"id": images[3]}]}],
    }
    for _ in range(5):
        answer = service.decide(product, **asked)
        assert shown(answer)[:2] == (titles[2], images[3])
        assert 0 < answer["propensity"] <= 1


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"product_id": "nothing"}, 404, "unknown_product"),
        ({"context": {"nothing": 1}}, 422, "unknown_id"),
        ({"pinned": [{"slot_id": "nothing", "element_id": "x"}]}, 422, "unknown_id"),
        ({"pinned": [{"slot_id": "title", "element_id": None}]}, 422, "invalid_body"),
        ({"slots": [{"id": "title", "candidates": [{"id": "nothing"}]}]}, 422, "unknown_id"),
        ({"baseline": [{"slot_id": "title", "element_id": "nothing"}]}, 422, "baseline_not_legal"),
        ({"event_id": "g1.made-up"}, 422, "reserved_event_id"),
        ({"baseline_propensity": 0.5}, 422, "invalid_body"),
        ({"timeout_ms": -1}, 422, "invalid_body"),
        ({"surprise": 1}, 422, "invalid_body"),
        ({"slots": [{"id": "title", "candidates": [{"id": "nothing", "feature": {}}]}]}, 422, "invalid_body"),
        ({"slots": [{"id": "title", "candidates": [{"id": "nothing", "features": {}}]}]}, 422, "unknown_id"),
    ],
)
def test_wrong_requests_say_how(
    service: RunningService, pairs_optimizer: Optimizer, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = service.client.post("/v1/decide", json={"product_id": first_product(pairs_optimizer), **fields})
    assert (answer.status_code, error_code(answer)) == (status, code)


def test_everything_excluded_names_the_rule(service: RunningService, pairs_optimizer: Optimizer) -> None:
    asked = {"product_id": first_product(pairs_optimizer), "excluded": pool(pairs_optimizer, 0, 0)}
    answer = service.client.post("/v1/decide", json=asked)
    assert (answer.status_code, error_code(answer)) == (422, "no_legal_combination")


def test_a_repeated_event_id_repeats_the_answer(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product = first_product(pairs_optimizer)
    first = service.decide(product, event_id="mine-1")
    again = [service.decide(product, event_id="mine-1") for _ in range(5)]
    assert all({**answer, "took_ms": 0} == {**first, "took_ms": 0} for answer in again)
    other = service.client.post("/v1/decide", json={"product_id": product, "event_id": "mine-1", "excluded": ["x"]})
    assert other.status_code == 422 or error_code(other) == "event_id_reused"
    other = service.client.post("/v1/decide", json={"product_id": product, "event_id": "mine-1", "actor_id": "a"})
    assert (other.status_code, error_code(other)) == (409, "event_id_reused")


def test_a_withdrawn_answer_is_not_repeated(service: RunningService, pairs_optimizer: Optimizer) -> None:
    """Neither one whose element is blocked, nor one whose elements may not stand together any more."""
    product = first_product(pairs_optimizer, 4)
    first = service.decide(product, event_id="mine-2")
    title, image = shown(first)[:2]

    def change(**what: object) -> int:
        made = service.client.post("/v1/controls", json={"changes": [what]})
        assert made.status_code == 200, made.text
        return int(made.json()["controls"][0]["number"])

    for what in ({"kind": "status", "element_ids": [title], "status": "pending"},
                 {"kind": "forbid", "product_id": product, "element_ids": [title, image]}):  # fmt: skip
        number = change(**what)
        again = service.client.post("/v1/decide", json={"product_id": product, "event_id": "mine-2"})
        assert (again.status_code, error_code(again)) == (409, "answer_withdrawn")
        assert service.client.post(f"/v1/controls/{number}/undo").status_code == 200
        assert shown(service.decide(product, event_id="mine-2")) == shown(first)


def test_no_time_means_the_baseline(service: RunningService, pairs_optimizer: Optimizer) -> None:
    """Of a product that was not asked for before, so that its answer is not remembered."""
    product, slots = first_product(pairs_optimizer, 30), ("title", "image", "tag")
    baseline = [{"slot_id": s, "element_id": pool(pairs_optimizer, 30, i)[1]} for i, s in enumerate(slots)]
    answer = service.decide(product, timeout_ms=0.001, baseline=baseline)
    assert (answer["policy"], answer["reason"], answer["propensity"]) == ("baseline", "timeout", 1.0)
    assert shown(answer) == tuple(entry["element_id"] for entry in baseline)
    drawn = service.decide(product, timeout_ms=0.001, baseline=baseline, baseline_propensity=0.25)
    assert drawn["propensity"] == 0.25


def test_blocked_elements_are_gone_at_the_next_decision(service: RunningService, pairs_optimizer: Optimizer) -> None:
    product, titles = first_product(pairs_optimizer, 3), pool(pairs_optimizer, 3, 0)
    before = service.decide(product)
    statuses = [{"element_id": name, "status": "blocked"} for name in titles[1:]]
    answer = service.client.put("/v1/catalogue", json={"statuses": statuses})
    assert answer.status_code == 200, answer.text
    for _ in range(5):
        assert shown(service.decide(product))[0] == titles[0]
    assert service.decide(product)["model_version"] == before["model_version"]
    statuses = [{"element_id": name, "status": "approved"} for name in titles[1:]]
    assert service.client.put("/v1/catalogue", json={"statuses": statuses}).json()["version"] >= 2
    wrong = service.client.put("/v1/catalogue", json={"statuses": [{"element_id": "nothing", "status": "blocked"}]})
    assert (wrong.status_code, error_code(wrong)) == (422, "unknown_id")


@pytest.mark.parametrize("mode", ["logging_only", "apprentice"])
def test_other_modes_serve_the_baseline(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path, mode: str
) -> None:
    product = first_product(pairs_optimizer)
    with InProcess(pairs_run.path, str(tmp_path / "store.db"), mode=mode) as running:
        answer = running.decide(product)
        assert shown(answer) == tuple(pool(pairs_optimizer, 0, slot)[0] for slot in range(3))
        assert (answer["mode"], answer["reason"], answer["propensity"]) == (mode, mode, None)
        own = [
            {"slot_id": s, "element_id": pool(pairs_optimizer, 0, i)[1]}
            for i, s in enumerate(("title", "image", "tag"))
        ]
        assert running.decide(product, baseline=own, baseline_propensity=0.5)["propensity"] == 0.5
        assert (answer["model_slots"] is None) == (mode == "logging_only")


def test_the_holdout_is_served_the_baseline_for_ever(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    product = first_product(pairs_optimizer)
    with InProcess(pairs_run.path, str(tmp_path / "store.db"), holdout=0.5) as running:
        answers = [[running.decide(product, actor_id=f"actor {i}") for _ in range(2)] for i in range(20)]
        held = ["holdout" in {answer["policy"] for answer in pair} for pair in answers]
        assert 2 <= sum(held) <= 18
        for pair, out in zip(answers, held, strict=True):
            assert {answer["policy"] for answer in pair} == ({"holdout"} if out else {"model"})
            assert not out or {answer["propensity"] for answer in pair} == {1.0}
        assert running.decide(product)["policy"] == "model"


def test_decisions_go_on_when_scoring_or_the_store_fails(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = first_product(pairs_optimizer, 30)
    first = tuple(pool(pairs_optimizer, 30, slot)[0] for slot in range(3))
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        with monkeypatch.context() as broken:
            broken.setattr(running.service.model.policy, "decide", lambda request: 1 / 0)
            answer = running.decide(product)
            assert (answer["policy"], answer["reason"], answer["propensity"]) == ("baseline", "scoring_failed", 1.0)
            assert shown(answer) == first
        with running.service.engine.begin() as connection:
            connection.execute(text("ALTER TABLE decisions RENAME TO away"))
        answer = running.decide(product)
        assert (answer["policy"], answer["reason"], answer["propensity"]) == ("baseline", "store_unavailable", 1.0)
        assert shown(answer) == first
        refused = running.client.post("/v1/events", json={"events": [{"event_id": "x", "kind": "click"}]})
        assert (refused.status_code, error_code(refused)) == (503, "store_unavailable")
        with running.service.engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO decisions"))
        assert running.decide(product)["policy"] == "model"
        (result,) = running.report({"event_id": answer["event_id"], "kind": "impression"})
        assert result["code"] == "unknown_decision"  # what was not logged is not learned


def test_a_commit_whose_answer_is_lost_is_not_joined_with_what_was_served(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is in the store, the service cannot know it and serves the baseline: reports on that are refused."""
    with InProcess(pairs_run.path, str(tmp_path / "store.db")) as running:
        submit_row = running.service.writer.submit_row

        def lost(row: dict[str, Any]) -> Any:
            submit_row(row).result()
            raise StoreUnavailableError("the connection broke at the commit")

        monkeypatch.setattr(running.service.writer, "submit_row", lost)
        answer = running.decide(first_product(pairs_optimizer))
        assert (answer["policy"], answer["reason"]) == ("baseline", "store_unavailable")
        (result,) = running.report({"event_id": answer["event_id"], "kind": "click"})
        assert (result["status"], result["code"]) == ("rejected", "unknown_decision")
