"""Candidates that requests bring along: scored by content, exact, under rules, learned and exported."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.stats import chisquare
from sqlalchemy import select
from tests.kits.running_service import InProcess, error_code

from genco.policies.generative import ALONE_DECISIONS
from genco.serving.additions import AddedElement
from genco.serving.candidate_sets import CandidateSet, keep, read_sets
from genco.serving.changes import BlockElement, PinElement, SetStatus
from genco.serving.control_store import insert_change
from genco.serving.export import export_log
from genco.serving.learner import Learner
from genco.serving.served_model import BROUGHT_SETS, CACHE_ENTRIES
from genco.serving.store import open_store
from genco.serving.tables import candidate_sets, decisions
from genco.storage.dataset import open_dataset
from genco.storage.runs import RunFolder

TITLES = [{"id": f"t{i}", "text": text} for i, text in enumerate(("两件八折 🎁", "Free returns", "New season"))]


@pytest.fixture
def run(card_run: RunFolder, tmp_path: Path) -> Path:
    """A copy: learned versions are written beside it."""
    return shutil.copytree(card_run.path, tmp_path / "run")


@pytest.fixture
def running(run: Path, tmp_path: Path) -> Iterator[InProcess]:
    with InProcess(run, str(tmp_path / "store.db"), rate_per_second=1e6, timeout_ms=5_000) as running:
        yield running


def first(running: InProcess) -> str:
    return str(running.service.model.catalogue.products["product_id"][0])


def titles(*more: dict[str, Any]) -> dict[str, Any]:
    return {"slots": [{"id": "title", "candidates": [*TITLES, *more]}]}


def whole_card(running: InProcess) -> list[dict[str, Any]]:
    """Candidates with content for every slot, made of the first product's own."""
    model = running.service.model
    catalogue, slots = model.catalogue, []
    for number, slot in enumerate(catalogue.slots):
        rows = catalogue.elements[catalogue.pool(0, number)].filter(pl.col("product_id").is_not_null())
        features = rows.select(pl.exclude("element_id", "product_id", "component", "text", "image_uri", "status"))
        slots.append(
            {
                "id": slot.name,
                "candidates": [
                    {"id": f"x{name}", "text": text or "", "features": {k: v for k, v in row.items() if v is not None}}
                    for name, text, row in zip(
                        rows["element_id"], rows["text"], features.iter_rows(named=True), strict=True
                    )
                ],
            }
        )
    return [slot for slot in slots if slot["candidates"]]


def shown(answer: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(slot["element_id"] for slot in answer["slots"])


def test_propensities_of_candidates_brought_along_are_exact(running: InProcess) -> None:
    own = str(
        running.service.model.catalogue.elements["element_id"][int(running.service.model.catalogue.pool(0, 0)[0])]
    )
    made = [running.decide(first(running), **titles({"id": own})) for _ in range(400)]
    counts, known = Counter(map(shown, made)), {shown(answer): answer["propensity"] for answer in made}
    assert {combination[0] for combination in counts} <= {"t0", "t1", "t2", own}
    assert len({combination[0] for combination in counts}) > 1
    assert {answer["policy"] for answer in made} == {"model"}
    assert all(answer["propensity"] == known[shown(answer)] for answer in made)
    common = [c for c in counts if known[c] * 400 >= 5]
    observed = np.array([counts[c] for c in common] + [400 - sum(counts[c] for c in common)], dtype=float)
    expected = np.array([known[c] for c in common] + [1 - sum(known[c] for c in common)]) * 400
    assert chisquare(observed, expected).pvalue > 1e-4
    with running.service.engine.connect() as connection:
        assert len(connection.execute(select(candidate_sets)).all()) == 1
        assert len(set(connection.execute(select(decisions.c.candidates)).scalars())) == 1
    answer = running.decide(first(running), **titles(), explain=True)
    assert sum(c["total"] for c in answer["attribution"]["elements"]) == pytest.approx(
        answer["attribution"]["uplift"], abs=1e-4
    )


def test_rules_and_controls_hold_for_candidates_brought_along(running: InProcess) -> None:
    name, controls = first(running), running.service.controls
    model = running.service.model
    images = [str(model.catalogue.elements["element_id"][int(row)]) for row in model.catalogue.pool(0, 1)]
    controls.apply([BlockElement(product_id=name, element_id=images[0])], "user:ann")
    pinned = [{"slot_id": "title", "element_id": "t1"}]
    for _ in range(10):
        answer = running.decide(name, **titles(), pinned=pinned, excluded=[images[-1]])
        assert shown(answer)[0] == "t1" and not {images[0], images[-1]} & set(shown(answer))
    own = str(model.catalogue.elements["element_id"][int(model.catalogue.pool(0, 0)[0])])
    pin = controls.apply([PinElement(product_id=name, slot_id="title", element_id=own)], "user:ann")[0]
    refused = running.client.post("/v1/decide", json={"product_id": name, **titles()})
    assert (refused.status_code, error_code(refused)) == (422, "no_legal_combination")
    assert f"pin '{own}'" in refused.json()["error"]["message"]
    assert shown(running.decide(name, **titles({"id": own})))[0] == own
    controls.undo(pin.number, "user:ann")
    assert shown(running.decide(name, **titles()))[0] in {"t0", "t1", "t2"}


def test_a_blocked_element_that_the_run_lacks_is_not_shown_again(run: Path, tmp_path: Path) -> None:
    """It was blocked while another run was served, which had it."""
    store = open_store(str(tmp_path / "store.db"))
    with store.begin() as connection:
        insert_change(connection, SetStatus(element_ids=("t1",), status="blocked"), None, "user:ann", 1, 1)
    store.dispose()
    with InProcess(run, str(tmp_path / "store.db"), rate_per_second=1e6, timeout_ms=5_000) as running:
        made = [running.decide(first(running), **titles(), explain=not number) for number in range(40)]
        assert {shown(answer)[0] for answer in made} <= {"t0", "t2"} and made[0]["attribution"] is not None
        only = {"slots": [{"id": "title", "candidates": [TITLES[1]]}]}
        refused = running.client.post("/v1/decide", json={"product_id": first(running), **only})
        assert (refused.status_code, error_code(refused)) == (422, "no_legal_combination")


def test_what_cannot_be_brought_along(running: InProcess) -> None:
    def refused(status: int, code: str, **ask: Any) -> dict[str, Any]:
        answer = running.client.post("/v1/decide", json={"product_id": first(running), **ask})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        found = answer.json()["error"]
        assert isinstance(found, dict)
        return found

    refused(422, "unknown_id", **titles({"id": "without content"}))
    refused(422, "unknown_id", slots=[{"id": "nothing", "candidates": TITLES}])
    refused(422, "candidates_differ", **titles({"id": "t0", "text": "other"}))
    rows = refused(422, "invalid_rows", **titles({"id": "t9", "features": {"prise": 1}}))["rows"]
    assert [(row["table"], row["row"], row["field"]) for row in rows] == [("candidates", 3, "prise")]
    refused(404, "unknown_product", product_id="nothing")
    refused(422, "no_legal_combination", product_id="nothing", **titles())
    same = {"event_id": "mine", **titles()}
    first_answer, again = (running.decide(first(running), **same) for _ in range(2))
    assert {**first_answer, "took_ms": 0} == {**again, "took_ms": 0}


def test_questions_about_candidates_brought_along_are_remembered_within_bounds(running: InProcess) -> None:
    """A set keeps its last 64 decisions: 256 sets keep fewer than the 20,000 of the model itself."""
    assert BROUGHT_SETS * ALONE_DECISIONS < CACHE_ENTRIES
    model = running.service.model
    body = tuple(
        AddedElement(
            element_id=t["id"], product_id=first(running), component="title", status="approved", text=t["text"]
        )
        for t in TITLES
    )
    brought = model.with_candidates(first(running), CandidateSet("digest", body))
    assert model.with_candidates(first(running), CandidateSet("digest", body)) is brought
    asked, rng = brought.question(first(running), {}), np.random.default_rng(0)
    questions = [replace(asked, context=asked.context + np.float32(0.01 * i)) for i in range(ALONE_DECISIONS + 3)]
    for question in questions:
        brought.choose(question, rng)
    assert len(brought._decisions) == len(brought.policy._decisions) == ALONE_DECISIONS
    assert brought.remembered(questions[0]) is None and brought.remembered(questions[-1]) is not None


def test_an_unknown_product_is_served_learned_and_exported(running: InProcess, tmp_path: Path) -> None:
    service, learner, slots = running.service, Learner(running.service), whole_card(running)
    before = service.model.policy.bound.model
    made = [running.decide("not/known", slots=slots, defer_activation=False) for _ in range(30)]
    made += [running.decide(first(running), **titles(), defer_activation=False) for _ in range(10)]
    made.append(running.decide(first(running), defer_activation=False))
    other = {"slots": [{"id": "title", "candidates": [{"id": "t0", "text": "another text under the same id"}]}]}
    made += [running.decide(first(running), **other, defer_activation=False) for _ in range(2)]
    assert all(answer["policy"] == "model" and 0 < answer["propensity"] <= 1 for answer in made)
    best = Counter(map(shown, made[:30])).most_common(1)[0][0][0]
    running.report(*({"event_id": a["event_id"], "kind": "click"} for a in made[:30] if shown(a)[0] == best))
    running.travel(603)
    assert learner.round() == len(made)
    state = learner._states["control"]
    assert state.num_rows == len(made) and len(state.evidence.mass) == service.model.catalogue.num_products
    after = service.model.policy.bound.model
    assert np.abs(after.theta - before.theta).max() > 0 and "not/known" not in after.appeal.product_effect
    store = open_store(str(tmp_path / "store.db"))
    done = export_log(store, tmp_path / "data", service.clock.now() + 1)
    store.dispose()
    assert (done.rows, done.left_out) == (len(made), 0)
    dataset = open_dataset(tmp_path / "data")
    catalogue = dataset.catalogue
    assert "not/known" in catalogue.product_rows
    texts = dict(catalogue.elements.select("element_id", "text").iter_rows())
    brought = catalogue.elements.filter(~pl.col("element_id").is_in(list(service.model.catalogue.element_rows)))
    assert brought["element_id"].str.contains("#").all(), "a request's candidate is never taken for a trained one"
    assert set(brought["status"]) == {"pending"}, "nobody approved them beyond the request that brought them"
    both = {text for name, text in texts.items() if name.startswith("t0#")}
    assert both == {TITLES[0]["text"], "another text under the same id"}
    rows = pl.concat([pl.read_parquet(file.path) for file in dataset.files])
    assert rows.height == len(made)
    logged = {row["impression_id"]: row for row in rows.iter_rows(named=True)}
    for answer in made[:40]:
        assert logged[answer["event_id"]]["title"].split("#")[0] == shown(answer)[0]
        assert logged[answer["event_id"]]["propensity"] == answer["propensity"]
    assert {texts[logged[answer["event_id"]]["title"]] for answer in made[-2:]} == {"another text under the same id"}


def test_a_set_is_kept_once(store_url: str) -> None:
    engine = open_store(store_url)
    element = AddedElement(element_id="a", product_id="p", component="title", text="x", features={"price": 1.5})
    mine = CandidateSet("d1", (element,))
    with engine.begin() as connection:
        keep(connection, mine)
        keep(connection, mine)
        assert read_sets(connection, ["d1", "d1", "d2"]) == {"d1": mine}
    engine.dispose()
