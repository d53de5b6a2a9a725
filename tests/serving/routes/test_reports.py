"""Reports over HTTP: what elements add, which pairs help, and what versions would have earned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess, error_code

from genco.evaluation.element_table import element_table
from genco.policies.optimizer import Optimizer
from genco.storage.runs import RunFolder


def fill(running: InProcess, num: int, product: int = 0) -> list[dict[str, object]]:
    name = str(running.service.model.catalogue.products["product_id"][product])
    made = [running.decide(name, defer_activation=False) for _ in range(num)]
    running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made[::4]))
    return made


def test_elements_have_contributions_and_labels(pairs_run: RunFolder, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db")) as running:
        fill(running, 40)
        answer = running.client.get("/v1/reports/elements").json()
        short = running.client.get("/v1/reports/elements", params={"limit": 2}).json()
        optimizer = running.service.model.optimizer
    assert answer["impressions"] == 40 and answer["clicks"] == 10 and answer["num_elements"] == len(answer["elements"])
    assert [len(short["elements"]), short["num_elements"]] == [2, answer["num_elements"]]
    rows = {row["element_id"]: row for row in answer["elements"]}
    from genco.evaluation.element_counts import ElementCounts
    from genco.evaluation.report_data import average_context

    table = element_table(optimizer, ElementCounts.empty(optimizer.catalogue), average_context(optimizer), 10_000)
    expected = {row.element.element_id: row for row in table.rows}
    for name, row in rows.items():
        assert row["contribution"] == pytest.approx(expected[name].contribution, abs=1e-6)
        assert row["ci_low"] < row["contribution"] < row["ci_high"] and row["label"] == "LEARNING"
    assert set(answer["label_rules"]) == {"PENDING", "LEARNING", "LOW", "GOOD", "BEST"}


def test_interactions_of_a_product(pairs_run: RunFolder, tmp_path: Path) -> None:
    with InProcess(pairs_run.path, str(tmp_path / "s.db")) as running:
        made = fill(running, 30)
        product = str(running.service.model.catalogue.products["product_id"][0])

        def get(**asked: object) -> tuple[int, dict[str, object]]:
            answer = running.client.get("/v1/reports/interactions", params=asked)  # type: ignore[arg-type]
            return answer.status_code, answer.json() if answer.status_code == 200 else {"code": error_code(answer)}

        status, report = get(product_id=product, limit=5)
        assert status == 200 and report["model_version"] == running.service.model.version
        for name, sign in (("helps", 1), ("clashes", -1)):
            pairs = report[name]
            assert isinstance(pairs, list) and 0 < len(pairs) <= 5
            strengths = [sign * pair["effect"] for pair in pairs]
            assert min(strengths) > 0 and strengths == sorted(strengths, reverse=True)
            for pair in pairs:
                assert pair["ci_low"] < pair["effect"] < pair["ci_high"]
                both = {pair["first"], pair["second"]}
                shown = [answer for answer in made if both <= {slot["element_id"] for slot in answer["slots"]}]  # type: ignore[attr-defined]
                assert pair["impressions"] == len(shown)
        segment = running.service.model.optimizer.meta.context[0]
        assert get(product_id=product, context=json.dumps({segment: "nothing known"}))[0] in (200, 422)
        assert get(product_id="nothing") == (404, {"code": "unknown_product"})
        assert get(product_id=product, context="[1]") == (422, {"code": "invalid_query"})
        assert get(product_id=product, context='{"nothing": 1}') == (422, {"code": "bad_context"})
        assert get(product_id=product, limit=0) == (422, {"code": "invalid_query"})


def test_versions_are_valued_or_refused(pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path) -> None:
    other = other_run(pairs_run.path, tmp_path / "other", 0.7)
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), reward_window_seconds=60) as running:
        empty = running.client.get("/v1/reports/policy").json()
        assert empty["rows"] == 0 and "no decision" in empty["versions"][0]["refused"]
        version = running.service.live.register(other).version
        for product in range(4):
            fill(running, 130, product)
        running.travel(70)
        report = running.client.get("/v1/reports/policy").json()
        few = running.client.get("/v1/reports/policy", params={"rows": 50, "version": version}).json()
        missing = running.client.get("/v1/reports/policy", params={"version": "nothing"})
    assert report["rows"] == 520 and report["mean_reward"] == pytest.approx(0.254, abs=0.01)
    served, candidate = report["versions"]
    assert served["served"] and served["effective_sample_size"] == pytest.approx(520, abs=1e-3)
    assert served["value"] == pytest.approx(report["mean_reward"], abs=1e-6) and served["verdict"] == "cannot tell"
    assert candidate["version"] == version and candidate["mean_weight"] > 0
    assert (candidate["value"] is None) == (candidate["refused"] is not None)
    assert few["versions"][0]["value"] is None and "effective sample size" in few["versions"][0]["refused"]
    assert few["versions"][0]["verdict"] == "cannot tell" and few["rows"] <= 51
    assert (missing.status_code, error_code(missing)) == (404, "unknown_model")
    assert np.isfinite(served["ci_low"]) and served["ci_low"] < served["value"] < served["ci_high"]


def test_versions_are_valued_as_they_would_be_served(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    """A pin counts at once; what a request pinned itself is not valued."""
    with InProcess(pairs_run.path, str(tmp_path / "s.db"), reward_window_seconds=60) as running:
        for number in range(4):
            fill(running, 130, number)
        product = str(pairs_optimizer.catalogue.products["product_id"][0])
        title = str(pairs_optimizer.catalogue.elements["element_id"][int(pairs_optimizer.catalogue.pool(0, 0)[0])])
        for _ in range(7):
            running.decide(product, pinned=[{"slot_id": "title", "element_id": title}], defer_activation=False)
        running.travel(70)
        before = running.client.get("/v1/reports/policy").json()
        pin = {"kind": "pin", "product_id": product, "slot_id": "title", "element_id": title}
        assert running.client.post("/v1/controls", json={"changes": [pin]}).status_code == 200
        after = running.client.get("/v1/reports/policy").json()
    assert (before["rows"], before["left_out"]) == (after["rows"], after["left_out"]) == (520, 7)
    sizes = [report["versions"][0]["effective_sample_size"] for report in (before, after)]
    assert sizes[0] == pytest.approx(520, abs=1e-3) and sizes[1] < 519
