"""Staged rollout: who is answered by which model, what is logged, what is learned, and how it ends."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.kits.other_run import other_run
from tests.kits.running_service import InProcess, RunningService, error_code

from genco.serving.errors import ApiError
from genco.serving.learner import Learner
from genco.serving.registry import stack_of
from genco.serving.rollout import CANDIDATE, CONTROL, Plan
from genco.serving.rollout import running as rollout_of
from genco.serving.tables import decisions
from genco.storage.runs import RunFolder

WINDOW = 600


@pytest.fixture(scope="session")
def second_run(pairs_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_run(pairs_run.path, tmp_path_factory.mktemp("second") / "run", -1.0)


@pytest.fixture
def run(pairs_run: RunFolder, tmp_path: Path) -> Path:
    """A copy: learned versions are written beside it."""
    return shutil.copytree(pairs_run.path, tmp_path / "run")


def post(running: InProcess, route: str, **body: Any) -> dict[str, Any]:
    answer = running.client.post(f"/v1/models{route}", json=body or None)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def begin(running: InProcess, path: Path, **plan: Any) -> tuple[str, str]:
    """Roll out the run at `path`; versions of control and candidate."""
    control = running.service.live.version.version
    known = {model["version"] for model in running.client.get("/v1/models").json()["models"]}
    added = {model["version"] for model in post(running, "", path=str(path))["models"]} - known
    (candidate,) = added or (known - {control})
    post(running, f"/{candidate}/promote", staged=True, **plan)
    return control, candidate


def product_of(running: InProcess | RunningService, number: int = 0) -> str:
    return str(running.service.model.catalogue.products["product_id"][number])  # type: ignore[union-attr]


def test_actors_stay_in_their_arm_and_the_log_says_who_answered(run: Path, second_run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db"), holdout=0.2) as running:
        control, candidate = begin(running, second_run, stages=[30, 60, 100])
        product, actors = product_of(running), [f"actor-{i}" for i in range(150)]

        def arms() -> dict[str, str]:
            answers = {actor: running.decide(product, actor_id=actor) for actor in actors}
            return {actor: a["model_version"] if a["policy"] == "model" else "held out" for actor, a in answers.items()}

        first, again = arms(), arms()
        assert first == again
        share = sum(version == candidate for version in first.values()) / len(actors)
        assert 0.07 < share < 0.42  # 30% of the 80% that are not held out, within five standard errors
        assert {"held out", control, candidate} == set(first.values())
        assert post(running, f"/{candidate}/advance")["rollout"]["stage"] == 1
        later = arms()
        assert all(later[a] == first[a] for a in actors if first[a] != control)
        assert sum(version == candidate for version in later.values()) > 1.1 * share * len(actors)
        with running.service.engine.connect() as connection:
            rows = connection.execute(select(decisions)).all()
        serving = running.service.live.serving
        chance = {}
        for arm in (CONTROL, CANDIDATE):
            model = serving.model(arm)
            combinations, propensity = model.distribution(model.question(product, {}))
            chance[arm, model.version] = dict(zip(combinations, propensity, strict=True))
        for row in rows:
            assert (row.arm is None) == (row.policy == "holdout") == (row.took_us is None)
            if row.arm is not None:  # the propensity is that of the version logged
                mine = chance[row.arm, row.model_version]
                assert mine[tuple(json.loads(row.combination))] == pytest.approx(row.propensity, rel=1e-6)
        both = {row.arm for row in rows}
        assert both == {None, CONTROL, CANDIDATE}


def test_events_without_actor_are_spread_by_their_id(run: Path, second_run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db")) as running:
        _, candidate = begin(running, second_run, stages=[50, 100])
        versions = [running.decide(product_of(running))["model_version"] for _ in range(60)]
        assert 10 <= versions.count(candidate) <= 50
        again = {running.decide(product_of(running), event_id="mine")["model_version"] for _ in range(3)}
        assert len(again) == 1


def test_both_arms_learn_from_the_rows_of_both(run: Path, second_run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db")) as running:
        control, candidate = begin(running, second_run, stages=[50, 100])
        learner = Learner(running.service)
        made = [running.decide(product_of(running), defer_activation=False) for _ in range(20)]
        running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made[::2]))
        running.travel(WINDOW + 3)
        assert learner.round() == 40
        assert {learner._states[arm].num_rows for arm in (CONTROL, CANDIDATE)} == {20}
        shown = running.client.get("/v1/models").json()
        now = [arm["version"] for arm in shown["rollout"]["arms"]]
        assert shown["rollout"]["started_from"] == candidate and not {control, candidate} & set(now)
        answering = {running.decide(product_of(running))["model_version"] for _ in range(30)}
        assert answering == set(now)
        post(running, f"/{candidate}/rollback")  # by the name it began with
        assert running.client.get("/v1/models").json()["rollout"] is None
        assert running.service.live.version.version == now[0] and running.service.live.learning
        running.decide(product_of(running), defer_activation=False)
        running.travel(WINDOW + 3)
        assert learner.round() == 1  # the others were never shown


def test_the_last_stage_serves_everybody_and_can_be_undone(run: Path, second_run: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "s.db")
    with InProcess(run, store) as running:
        control, candidate = begin(running, second_run, stages=[10, 100])
        done = post(running, f"/{candidate}/advance")
        assert done["rollout"] is None and served(done) == candidate
    with InProcess(run, store) as running:  # the store knows better than --run what is served
        assert running.service.live.version.version == candidate
        assert served(post(running, f"/{candidate}/rollback")) == control


def test_a_rollout_goes_on_after_kill_9(run: Path, second_run: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "s.db")
    with InProcess(run, store) as running:
        _, candidate = begin(running, second_run, stages=[20, 50, 100])
        post(running, f"/{candidate}/advance")
        product = product_of(running)
        before = {f"a{i}": running.decide(product, actor_id=f"a{i}")["model_version"] for i in range(30)}
    with RunningService(run, store, tmp_path) as running_server:
        running_server.kill()
        running_server.start()
        rollout = running_server.client.get("/v1/models").json()["rollout"]
        assert rollout["arms"][1]["version"] == candidate and rollout["stage"] == 1
        assert before == {a: running_server.decide(product, actor_id=a)["model_version"] for a in before}


def test_a_candidate_that_cannot_be_loaded_ends_its_rollout(run: Path, second_run: Path, tmp_path: Path) -> None:
    store, copy = str(tmp_path / "s.db"), shutil.copytree(second_run, tmp_path / "copy")
    with InProcess(run, store) as running:
        control, _ = begin(running, copy)
    (copy / "reward_model.safetensors").write_bytes(b"damaged")
    with InProcess(run, store) as running:
        assert running.service.live.serving.rollout is None
        assert running.decide(product_of(running))["model_version"] == control


def test_a_new_run_waits_while_another_is_rolled_out(run: Path, second_run: Path, tmp_path: Path) -> None:
    """Registered at the start, not promoted: the arms and their evidence stay as they are."""
    store, third = str(tmp_path / "s.db"), other_run(run, tmp_path / "third", 0.5)
    with InProcess(run, store) as running:
        control, candidate = begin(running, second_run, stages=[50, 100])
    with InProcess(third, store) as running:
        live = running.service.live
        assert live.set_aside and live.serving.rollout is not None
        assert (live.version.version, live.serving.rollout.candidate) == (control, candidate)
        models = running.client.get("/v1/models").json()["models"]
        (waiting,) = {model["version"] for model in models} - {control, candidate}
        post(running, f"/{candidate}/rollback")
        post(running, f"/{waiting}/promote")
    with InProcess(third, store) as running:
        assert running.service.live.version.version == waiting and not running.service.live.set_aside


def test_a_new_run_that_cannot_wait(run: Path, second_run: Path, tmp_path: Path) -> None:
    """Where what was served last is damaged, the run is served."""
    store, third = str(tmp_path / "s.db"), other_run(run, tmp_path / "third", 0.5)
    with InProcess(run, store) as running:
        begin(running, second_run, stages=[50, 100])
    (run / "reward_model.safetensors").write_bytes(b"")
    with InProcess(third, store) as running:
        assert Path(running.service.live.version.path) == third and not running.service.live.set_aside


def test_what_is_in_the_way_is_refused(run: Path, second_run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db")) as running:
        control, candidate = begin(running, second_run)
        third = other_run(run, tmp_path / "third", 0.5)
        models = post(running, "", path=str(third))["models"]
        (version,) = {model["version"] for model in models} - {control, candidate}

        def code(route: str, **body: Any) -> tuple[int, str]:
            answer = running.client.post(f"/v1/models/{route}", json=body or None)
            return answer.status_code, error_code(answer)

        assert code(f"{version}/promote") == (409, "rollout_running")
        assert code(f"{version}/promote", staged=True) == (409, "rollout_running")
        assert code(f"{version}/advance") == (409, "not_rolled_out")
        assert code(f"{version}/promote", staged=True, stages=[5, 5, 100]) == (422, "invalid_body")
        assert served(post(running, f"/{candidate}/promote")) == candidate  # at once after all
        assert code(f"{candidate}/promote", staged=True) == (409, "already_served")
    with InProcess(run, str(tmp_path / "other.db"), mode="apprentice") as running:
        version = running.service.live.version.version
        answer = running.client.post(f"/v1/models/{version}/promote", json={"staged": True})
        assert (answer.status_code, error_code(answer)) == (409, "not_online")


def served(models: dict[str, Any]) -> str:
    return str(next(model["version"] for model in models["models"] if model["served"]))


def test_rollbacks_in_a_row_walk_further_back(run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db")) as running:
        versions = [running.service.live.version.version]
        for number in (2, 3):
            models = post(running, "", path=str(other_run(run, tmp_path / f"run-{number}", 1 / number)))["models"]
            versions += {model["version"] for model in models} - set(versions)
            post(running, f"/{versions[-1]}/promote")
        assert served(post(running, f"/{versions[2]}/rollback")) == versions[1]
        assert served(post(running, f"/{versions[1]}/rollback")) == versions[0]
        nothing = running.client.post(f"/v1/models/{versions[0]}/rollback")
        assert (nothing.status_code, error_code(nothing)) == (409, "nothing_before")


def test_a_stage_counts_from_its_own_share_on(run: Path, second_run: Path, tmp_path: Path) -> None:
    """Decisions made while the store is slow to note the stage are still split by the one before."""
    with InProcess(run, str(tmp_path / "s.db"), guard_every_seconds=0) as running:
        _, candidate = begin(running, second_run, stages=[10, 50, 100])
        service, began = running.service, running.service.clock.now()
        service.writer.submit(lambda _: time.sleep(0.3))
        service.live.advance(candidate)
        under_way = service.live.serving.rollout
        assert under_way is not None and under_way.stage_at - began >= 300_000
        with service.engine.connect() as connection:
            assert rollout_of(connection) == under_way


def test_what_took_over_from_what() -> None:
    pairs = [("a", "start"), ("b", "promote"), ("c", "learn"), ("b", "rollback"), ("d", "promote"), ("d", "start")]
    assert stack_of(pairs) == ["a", "b", "d"]
    assert stack_of([*pairs, ("a", "rollback")]) == ["a"]
    assert stack_of([]) == []


@pytest.mark.parametrize("stages", [(), (5.0,), (0.0, 100.0), (50.0, 10.0, 100.0), (5.0, 101.0)])
def test_stages_grow_to_100(stages: tuple[float, ...]) -> None:
    with pytest.raises(ApiError, match="stages: percent above 0 that grow up to 100"):
        Plan(stages)


def test_a_stage_lasts_as_long_as_the_plan_asks(run: Path, second_run: Path, tmp_path: Path) -> None:
    with InProcess(run, str(tmp_path / "s.db")) as running:
        begin(running, second_run, minutes=2, min_decisions=5)
        under_way = running.service.live.serving.rollout
        assert under_way is not None and under_way.share == 0.01
        start = under_way.stage_at
        assert [under_way.is_due(start + s * 1_000_000, n) for s, n in ((119, 5), (120, 4), (120, 5))] == [
            False,
            False,
            True,
        ]
