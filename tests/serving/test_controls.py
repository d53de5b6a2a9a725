"""Controls of a service: obeyed at once, refused in words, previewed truly, undone exactly."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare
from sqlalchemy import select
from tests.kits.running_service import InProcess, error_code

from genco.policies.optimizer import Optimizer
from genco.serving.changes import (
    BlockElement,
    Change,
    ForbidPair,
    MinimumShare,
    PauseExploration,
    PinElement,
    SetStatus,
)
from genco.serving.errors import ApiError
from genco.serving.served_model import Combination
from genco.serving.tables import audit
from genco.storage.runs import RunFolder

ANN = "user:ann"
SLOTS = ("title", "image", "tag")


@pytest.fixture
def running(pairs_run: RunFolder, tmp_path: Path) -> Iterator[InProcess]:
    with InProcess(pairs_run.path, str(tmp_path / "store.db"), rate_per_second=1e6) as running:
        yield running


def product(optimizer: Optimizer, number: int = 0) -> str:
    return str(optimizer.catalogue.products["product_id"][number])


def pool(optimizer: Optimizer, number: int, slot: int) -> list[str]:
    ids = optimizer.catalogue.elements["element_id"]
    return [str(ids[int(row)]) for row in optimizer.catalogue.pool(number, slot)]


def served(running: InProcess, product_id: str, num: int = 30) -> tuple[list[Combination], list[float]]:
    """Combinations served to `num` requests, and their propensities, without the store."""
    model, rng = running.service.model, np.random.default_rng(3)
    question = model.question(product_id, {})
    found = [model.choose(question, rng) for _ in range(num)]
    return [combination for combination, _ in found], [propensity for _, propensity in found]


def test_every_change_is_obeyed_and_undone(running: InProcess, pairs_optimizer: Optimizer) -> None:
    controls, name = running.service.controls, product(pairs_optimizer)
    titles, images = pool(pairs_optimizer, 0, 0), pool(pairs_optimizer, 0, 1)
    before = running.service.model
    plain = served(running, name, 200)
    common, frequent = Counter(plain[0]).most_common(1)[0][0], [c[0] for c in plain[0]]
    rare = min(titles, key=frequent.count)
    changes: list[Change] = [
        SetStatus(element_ids=(common[0],), status="blocked"),  # type: ignore[arg-type]
        PinElement(product_id=name, slot_id="title", element_id=titles[3]),
        BlockElement(product_id=name, element_id=images[2]),
        ForbidPair(element_ids=(common[0], common[1])),  # type: ignore[arg-type]
        PauseExploration(product_id=name),
        MinimumShare(product_id=name, element_id=rare, share=0.6),
    ]
    for change in changes:
        made = controls.apply([change], ANN)[0]
        assert made.version == running.service.model.catalogue_version == running.service.live._state.version
        combinations, propensities = served(running, name)
        if isinstance(change, SetStatus):
            assert all(common[0] not in combination for combination in combinations)
        elif isinstance(change, PinElement):
            assert all(combination[0] == titles[3] for combination in combinations)
        elif isinstance(change, BlockElement):
            assert all(images[2] not in combination for combination in combinations)
        elif isinstance(change, ForbidPair):
            assert all(combination[:2] != common[:2] for combination in combinations)
        elif isinstance(change, PauseExploration):
            best = pairs_optimizer.generate(name, k=1)[0].combination
            assert set(combinations) == {tuple(best.values())} and set(propensities) == {1.0}
        else:
            assert sum(combination[0] == rare for combination in combinations) >= 12
        controls.undo(made.number, ANN)
        assert served(running, name, 200) == plain
    assert running.service.model is not before


def test_an_act_is_undone_once_and_an_undo_is_undone(running: InProcess, pairs_optimizer: Optimizer) -> None:
    name, titles = product(pairs_optimizer), pool(pairs_optimizer, 0, 0)
    pin = {"kind": "pin", "product_id": name, "slot_id": "title", "element_id": titles[1]}
    made = running.client.post("/v1/controls", json={"changes": [pin]}).json()["controls"][0]
    assert (made["words"], made["in_force"], made["undoes"]) == (
        f"pin '{titles[1]}' in slot 'title' of product '{name}'",
        True,
        None,
    )
    undone = running.client.post(f"/v1/controls/{made['number']}/undo").json()
    assert undone["words"] == f"undo {made['number']}: {made['words']}"
    again = running.client.post(f"/v1/controls/{made['number']}/undo")
    assert (again.status_code, error_code(again)) == (409, "already_undone")
    assert running.client.post(f"/v1/controls/{undone['number']}/undo").status_code == 200
    assert {combination[0] for combination in served(running, name)[0]} == {titles[1]}
    again = running.client.post(f"/v1/controls/{undone['number']}/undo")
    assert (again.status_code, error_code(again)) == (409, "already_undone")
    for number in ("999", "x"):
        missing = running.client.post(f"/v1/controls/{number}/undo")
        assert (missing.status_code, error_code(missing)) == (404, "unknown_control")
    listed = running.client.get("/v1/controls", params={"product_id": name, "active": "true"}).json()["controls"]
    assert [row["number"] for row in listed] == [made["number"]] and listed[0]["change"] == pin
    assert len(running.client.get("/v1/controls", params={"limit": 2}).json()["controls"]) == 2
    for query in ({"limit": "0"}, {"active": "maybe"}, {"before": "x"}):
        wrong = running.client.get("/v1/controls", params=query)
        assert (wrong.status_code, error_code(wrong)) == (422, "invalid_query")


def test_what_cannot_be_is_refused_and_nothing_changes(running: InProcess, pairs_optimizer: Optimizer) -> None:
    name, other = product(pairs_optimizer), product(pairs_optimizer, 1)
    titles, images, foreign = (pool(pairs_optimizer, 0, 0), pool(pairs_optimizer, 0, 1), pool(pairs_optimizer, 1, 0))

    def refused(code: str, *changes: dict[str, object]) -> str:
        answers = [running.client.post(f"/v1/controls{path}", json={"changes": changes}) for path in ("", "/preview")]
        assert [(answer.status_code, error_code(answer)) for answer in answers] == [(422, code)] * 2
        return str(answers[0].json()["error"]["message"])

    pin = {"kind": "pin", "product_id": name, "slot_id": "title", "element_id": titles[0]}
    message = refused("no_legal_combination", pin, {**pin, "element_id": titles[1]})
    assert name in message and f"pin '{titles[0]}'" in message and f"pin '{titles[1]}'" in message
    message = refused("no_legal_combination", {"kind": "status", "element_ids": titles, "status": "pending"})
    assert name in message and "no approved element for required slot 'title'" in message
    assert "the slot shows a 'title'" in refused("no_legal_combination", {**pin, "element_id": images[0]})
    refused("unknown_id", {**pin, "product_id": "nothing"})
    refused("unknown_id", {**pin, "slot_id": "nothing"})
    refused("unknown_id", {"kind": "status", "element_ids": ["nothing"], "status": "blocked"})
    assert other in refused("other_product", {**pin, "element_id": foreign[0]})
    refused("other_product", {"kind": "forbid", "element_ids": [titles[0], foreign[0]]})
    refused("invalid_body", {"kind": "forbid", "element_ids": [titles[0], titles[0]]})
    share = {"kind": "minimum_share", "product_id": name, "element_id": titles[0], "share": 0.5}
    assert name in refused("shares_too_large", share, {**share, "element_id": titles[1]})
    refused("invalid_body", {"kind": "nothing"})
    assert running.client.get("/v1/controls").json()["controls"] == []
    assert running.service.model.catalogue_version == 0
    both = running.client.post("/v1/controls/preview", json={"changes": [pin], "undo": 1})
    assert (both.status_code, error_code(both)) == (422, "invalid_body")


def test_an_undo_that_leaves_nothing_is_refused(running: InProcess, pairs_optimizer: Optimizer) -> None:
    controls, titles = running.service.controls, pool(pairs_optimizer, 0, 0)
    controls.apply([SetStatus(element_ids=tuple(titles[1:]), status="blocked")], ANN)
    approved = controls.apply([SetStatus(element_ids=(titles[1],), status="approved")], ANN)[0]
    controls.apply([SetStatus(element_ids=(titles[0],), status="blocked")], ANN)
    with pytest.raises(ApiError, match="no approved element for required slot 'title'"):
        controls.undo(approved.number, ANN)
    assert {combination[0] for combination in served(running, product(pairs_optimizer))[0]} == {titles[1]}


def test_controls_survive_restarts_and_other_models(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    name, titles = product(pairs_optimizer), pool(pairs_optimizer, 0, 0)
    store = str(tmp_path / "store.db")
    with InProcess(pairs_run.path, store) as running:
        running.service.controls.apply([PinElement(product_id=name, slot_id="title", element_id=titles[4])], ANN)
        with running.service.engine.connect() as connection:
            row = connection.execute(select(audit).where(audit.c.act != "add_key")).one()
        assert (row.key_id, row.act) == (ANN, "apply_control") and titles[4] in row.detail
        running.service.live.promote(running.service.model.version)
        assert {combination[0] for combination in served(running, name)[0]} == {titles[4]}
    with InProcess(pairs_run.path, store) as running:
        assert running.decide(name)["slots"][0]["element_id"] == titles[4]
        running.service.controls.undo(1, ANN)
        assert len({combination[0] for combination in served(running, name, 300)[0]}) > 1


def test_a_preview_tells_what_is_served_afterwards(running: InProcess, pairs_optimizer: Optimizer) -> None:
    name, titles = product(pairs_optimizer), pool(pairs_optimizer, 0, 0)
    worst = pairs_optimizer.generate(name, k=100)[-1].combination["title"]
    share = {"kind": "minimum_share", "element_id": worst, "share": 0.4}
    seen = running.client.post("/v1/controls/preview", json={"changes": [share]}).json()
    assert (seen["num_products"], seen["products"]) == (1, [name])
    traffic = seen["traffic"]
    assert traffic["exact"] and [slot["slot_id"] for slot in traffic["slots"]] == ["title"]
    rows = {row["element_id"]: row for row in traffic["slots"][0]["elements"]}
    assert sum(row["before"] for row in rows.values()) == pytest.approx(1)
    assert sum(row["after"] for row in rows.values()) == pytest.approx(1)
    assert rows[worst]["after"] >= 0.4 > rows[worst]["before"]
    assert traffic["click_probability_after"] < traffic["click_probability_before"]
    before = Counter(combination[0] for combination in served(running, name, 2_000)[0])
    made = running.client.post("/v1/controls", json={"changes": [share]}).json()["controls"][0]
    after = Counter(combination[0] for combination in served(running, name, 2_000)[0])
    for title in titles:
        assert before[title] / 2_000 == pytest.approx(rows[title]["before"], abs=0.05)
        assert after[title] / 2_000 == pytest.approx(rows[title]["after"], abs=0.05)
    back = running.client.post("/v1/controls/preview", json={"undo": made["number"]}).json()["traffic"]
    assert back["click_probability_after"] == traffic["click_probability_before"]
    wrong = running.client.post("/v1/controls/preview", json={"changes": [share], "context": {"nothing": 1}})
    assert (wrong.status_code, error_code(wrong)) == (422, "unknown_id")
    pause = {"kind": "pause_exploration", "product_id": name}
    paused = running.client.post("/v1/controls/preview", json={"changes": [pause]}).json()["traffic"]
    assert all(max(row["after"] for row in slot["elements"]) == 1.0 for slot in paused["slots"])
    assert len(paused["slots"]) == 3


class Reference:
    """What may be shown, from the list of changes in force alone."""

    def __init__(self, changes: list[Change]) -> None:
        self.status = {e: c.status for c in changes if isinstance(c, SetStatus) for e in c.element_ids}
        self.changes = changes

    def allows(self, product_id: str, combination: Combination) -> bool:
        if any(self.status.get(str(element), "approved") != "approved" for element in combination):
            return False
        mine = [change for change in self.changes if getattr(change, "product_id", None) in (None, product_id)]
        return not any(self._breaks(change, combination) for change in mine)

    def _breaks(self, change: Change, combination: Combination) -> bool:
        if isinstance(change, PinElement):
            return combination[SLOTS.index(change.slot_id)] != change.element_id
        if isinstance(change, BlockElement):
            return change.element_id in combination
        return isinstance(change, ForbidPair) and set(change.element_ids) <= set(combination)


def drawn_change(draw: random.Random, optimizer: Optimizer) -> Change:
    number = draw.randrange(3)
    name, pools = product(optimizer, number), [pool(optimizer, number, slot) for slot in range(3)]
    slot = draw.randrange(3)
    element = draw.choice(pools[slot])
    kind = draw.randrange(6)
    if kind == 0:
        return SetStatus(element_ids=(element,), status=draw.choice(["approved", "pending", "blocked"]))  # type: ignore[arg-type]
    if kind == 1:
        return PinElement(product_id=name, slot_id=SLOTS[slot], element_id=element)
    if kind == 2:
        return BlockElement(product_id=name, element_id=element)
    if kind == 3:
        other = draw.choice(pools[(slot + 1) % 3])
        return ForbidPair(element_ids=(element, other), product_id=draw.choice([None, name]))
    if kind == 4:
        return MinimumShare(element_id=element, share=0.1, product_id=draw.choice([None, name]))
    return PauseExploration(product_id=name)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_after_any_sequence_only_what_may_be_shown_is_shown(
    running: InProcess, pairs_optimizer: Optimizer, seed: int
) -> None:
    """Against a reference that knows nothing but the list of changes in force; and frequencies equal propensities."""
    controls, draw = running.service.controls, random.Random(seed)
    made: dict[int, tuple[Change, bool]] = {}
    refused = 0
    for _ in range(40):
        try:
            if not made or draw.random() < 0.7:
                control = controls.apply([drawn_change(draw, pairs_optimizer)], ANN)[0]
                made[control.number] = control.change, True
            else:
                number = draw.choice(list(made))
                change, on = made[number]
                act = number if on else max(c.number for c in controls.history() if c.root == number and c.in_force)
                controls.undo(act, ANN)
                made[number] = change, not on
        except ApiError as error:
            assert error.status == 422
            refused += 1
        reference = Reference([change for change, on in made.values() if on])
        for number in range(3):
            name = product(pairs_optimizer, number)
            assert all(reference.allows(name, combination) for combination in served(running, name, 8)[0])
    assert len(made) > refused
    for number in range(3):
        combinations, propensities = served(running, product(pairs_optimizer, number), 1_500)
        counts, known = Counter(combinations), dict(zip(combinations, propensities, strict=True))
        common = [c for c in counts if known[c] * 1_500 >= 5]
        observed = np.array([counts[c] for c in common] + [1_500 - sum(counts[c] for c in common)], dtype=float)
        expected = np.array([known[c] for c in common] + [1 - sum(known[c] for c in common)]) * 1_500
        some = expected > 1e-6
        assert observed[~some].sum() == 0
        assert some.sum() == 1 or chisquare(observed[some], expected[some] * 1_500 / expected[some].sum()).pvalue > 1e-4
