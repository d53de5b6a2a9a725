"""Learning while serving: once, in order, resumed over restarts, and undone by hand."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.kits.running_service import InProcess, error_code

from genco.policies.optimizer import Optimizer, load
from genco.serving import learner as learner_module
from genco.serving.joiner import EventRow, ingest
from genco.serving.learner import Learner, encode_rows
from genco.storage.runs import RunFolder

WINDOW = 600


@pytest.fixture
def run(pairs_run: RunFolder, tmp_path: Path) -> Path:
    """A copy: learned versions are written beside it."""
    return shutil.copytree(pairs_run.path, tmp_path / "run")


def feed(running: InProcess, num: int, clicked: str | None = None, product: int = 0) -> list[dict[str, Any]]:
    """Shown decisions; those that show element `clicked` are clicked, or every third."""
    product_id = str(running.service.model.catalogue.products["product_id"][product])
    made = [running.decide(product_id, defer_activation=False) for _ in range(num)]
    rows = [
        {"event_id": answer["event_id"], "kind": "click"}
        for i, answer in enumerate(made)
        if (i % 3 == 0 if clicked is None else any(slot["element_id"] == clicked for slot in answer["slots"]))
    ]
    running.report(*rows)
    return made


def state(learner: Learner) -> tuple[int, float]:
    assert "control" in learner._states
    return learner._states["control"].num_rows, float(learner._states["control"].evidence.mass.sum())


def served(running: InProcess) -> str:
    return running.service.live.version.version


def test_a_round_learns_what_has_settled_and_serves_it(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "store.db")) as running:
        learner, before = Learner(running.service), served(running)
        feed(running, 30)
        assert learner.round() == 0 and served(running) == before  # nothing has settled
        running.travel(WINDOW + 3)
        feed(running, 5)
        assert learner.round() == 30 and served(running) != before
        assert state(learner)[0] == 30
        assert feed(running, 1)[0]["model_version"] == served(running)
        assert learner.round() == 0
        running.travel(WINDOW + 3)
        assert learner.round() == 6 and state(learner)[0] == 36


def test_what_is_clicked_gains(run: Path, tmp_path: Path, pairs_optimizer: Optimizer) -> None:
    """A title that is clicked whenever it is shown gains uplift over the other titles."""
    pool = [int(row) for row in pairs_optimizer.catalogue.pool(0, 0)]
    with InProcess(run, str(tmp_path / "store.db"), half_life_hours=1e6) as running:
        bound = running.service.model.policy.bound
        space = running.service.model.policy.encoding(0).space
        tables = bound.tables(0, np.zeros(bound.model.layout.num_context, dtype=np.float32), space.candidates)
        worst = int(np.argmin(tables.own[0]))
        element = str(pairs_optimizer.catalogue.elements["element_id"][pool[worst]])
        product_id = str(pairs_optimizer.catalogue.products["product_id"][0])
        learner = Learner(running.service)
        for title in pool:
            name = str(pairs_optimizer.catalogue.elements["element_id"][title])
            pinned = [{"slot_id": "title", "element_id": name}]
            made = [running.decide(product_id, pinned=pinned, defer_activation=False) for _ in range(12)]
            if name == element:
                running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made))
        running.travel(WINDOW + 3)
        assert learner.round() == 60
        after = running.service.model.policy.bound.tables(
            0, np.zeros(bound.model.layout.num_context, dtype=np.float32), space.candidates
        )
        gain = after.own[0] - tables.own[0]
        assert gain[worst] - np.delete(gain, worst).max() > 0.01


def test_a_restart_goes_on_where_it_ended(run: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    with InProcess(run, store) as running:
        learner = Learner(running.service)
        feed(running, 10)
        running.travel(WINDOW + 3)
        learner.round()
        learned, version = state(learner), served(running)
        feed(running, 7)
    with InProcess(run, store) as running:
        assert served(running) == version
        running.travel(2 * WINDOW + 6)
        again = Learner(running.service)
        assert again.round() == 7
        assert state(again)[0] == 17 and state(again)[1] > 0.9 * learned[1]


def test_a_click_that_waits_for_a_slow_store_is_learned(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Received in time, written only after its decision has settled: the round waits for it."""
    with InProcess(run, str(tmp_path / "store.db")) as running:
        service, learner = running.service, Learner(running.service)
        product_id = str(service.model.catalogue.products["product_id"][0])
        made = running.decide(product_id, defer_activation=False)
        row, received_at = EventRow(made["event_id"], "click"), service.clock.now()
        encoded: list[float] = []
        monkeypatch.setattr(
            learner_module,
            "encode_rows",
            lambda base, rows: encoded.extend(joined.reward for joined in rows) or encode_rows(base, rows),
        )
        release = threading.Event()
        service.writer.submit(lambda _: release.wait(10))
        click = service.writer.submit(
            lambda connection: ingest(connection, [row], received_at, service.config.reward_window_us, "earliest")
        )
        running.travel(WINDOW + 3)
        threading.Timer(0.3, release.set).start()
        assert learner.round() == 1 and encoded == [1.0]
        assert click.result()[0].status == "accepted"


def test_rows_are_read_in_whole_instants(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner_module, "MAX_ROWS", 4)
    with InProcess(run, str(tmp_path / "store.db")) as running:
        feed(running, 10)
        running.travel(WINDOW + 3)
        learner = Learner(running.service)
        counts = [learner.round() for _ in range(4)]
        assert sum(counts) == 10 and counts[:2] == [4, 4] and counts[3] == 0


def test_evidence_fades_with_its_half_life(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "store.db"), half_life_hours=1.0) as running:
        learner = Learner(running.service)
        feed(running, 12)
        running.travel(WINDOW + 3)
        learner.round()
        first = state(learner)[1]
        running.travel(3_600)
        feed(running, 1)
        running.travel(WINDOW + 3)
        learner.round()
        assert state(learner)[1] == pytest.approx(first / 2, rel=0.35)


def test_roll_back_and_promote(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "store.db")) as running:
        learner, first = Learner(running.service), served(running)

        def post(path: str) -> dict[str, Any]:
            answer = running.client.post(f"/v1/models/{path}")
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        feed(running, 6)
        running.travel(WINDOW + 3)
        learner.round()
        learned = served(running)
        listed = running.client.get("/v1/models").json()
        assert [m["version"] for m in listed["models"]] == [learned, first] and listed["learning"]
        assert [m["served"] for m in listed["models"]] == [True, False]
        assert not post(f"{learned}/rollback")["learning"]
        assert served(running) == first
        feed(running, 6)
        running.travel(WINDOW + 3)
        assert learner.round() == 0 and served(running) == first  # learning rests
        refused = running.client.post(f"/v1/models/{learned}/rollback")
        assert (refused.status_code, error_code(refused)) == (409, "not_served")
        assert post(f"{learned}/promote")["learning"]
        assert learner.round() == 6 and state(learner)[0] == 12
        missing = running.client.post("/v1/models/nothing/promote")
        assert (missing.status_code, error_code(missing)) == (404, "unknown_model")


def test_a_learned_version_is_a_run_and_a_damaged_one_is_refused(run: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "store.db")
    with InProcess(run, store) as running:
        first, learner = served(running), Learner(running.service)
        feed(running, 6)
        running.travel(WINDOW + 3)
        learner.round()
        learned, folder = served(running), Path(running.service.live.version.path)
        assert load(folder).policy.version == learned
        running.client.post(f"/v1/models/{first}/promote")
        file = folder / "reward_model.safetensors"
        content = bytearray(file.read_bytes())
        content[-20] ^= 1
        file.write_bytes(bytes(content))
        refused = running.client.post(f"/v1/models/{learned}/promote")
        assert (refused.status_code, error_code(refused)) == (422, "model_unusable")
        assert served(running) == first


def test_runs_are_registered_by_path(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "store.db")) as running:
        answer = running.client.post("/v1/models", json={"path": str(run)})
        assert answer.status_code == 200 and len(answer.json()["models"]) == 1  # the same contents, the same version
        refused = running.client.post("/v1/models", json={"path": str(tmp_path / "nothing")})
        assert (refused.status_code, error_code(refused)) == (422, "model_unusable")
