"""Forged traffic: a share of requests clicks whatever shows one element. How far does that element's share rise?"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.kits.running_service import InProcess

from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.serving.learner import Learner
from genco.storage.runs import RunFolder

Decide = Callable[..., dict[str, Any]]
WINDOW = 600
NUM_PRODUCTS, ROUNDS, NUM_DECISIONS = 4, 10, 600


def targets(optimizer: Optimizer, truth: Truth) -> list[str]:
    """The title of every product whose best combination is worst: honest traffic hardly ever ends with it."""
    found = []
    for product in range(NUM_PRODUCTS):
        candidates = [optimizer.catalogue.candidates(product, slot) for slot in range(3)]
        logits = truth.enumerate_logits(product, 0, candidates)
        worst = int(np.nanmax(logits, axis=(1, 2)).argmin())
        found.append(str(optimizer.catalogue.elements["element_id"][int(candidates[0][worst])]))
    return found


def shares(running: InProcess, wanted: list[str]) -> np.ndarray:
    """Probability [product] that the service shows the title now."""
    model = running.service.model
    found = []
    for product, element in enumerate(wanted):
        question = model.question(str(model.catalogue.products["product_id"][product]), {})
        combinations, propensity = model.distribution(question)
        found.append(sum(p for names, p in zip(combinations, propensity, strict=True) if names[0] == element))
    return np.array(found)


def play(
    run: Path, folder: Path, truth: Truth, wanted: list[str], forged: float, actors: int, seed: int, **config: Any
) -> np.ndarray:
    """Shares of the wanted titles after rounds of decisions, clicks and learning. forged: share of the requests that
    come from `actors` forgers, which click whatever shows the title and nothing else."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    copy = shutil.copytree(run, folder / "run")
    with InProcess(copy, str(folder / "s.db"), rate_per_second=1e6, guard_every_seconds=0, **config) as running:
        learner, catalogue = Learner(running.service), running.service.model.catalogue
        for number in range(ROUNDS):
            rows = []
            for i in range(NUM_DECISIONS):
                product, forger, luck = i % NUM_PRODUCTS, rng.random() < forged, rng.random()
                actor = f"forger-{rng.integers(actors)}" if forger else f"actor-{number}-{i}"
                product_id = str(catalogue.products["product_id"][product])
                made = running.decide(product_id, actor_id=actor, defer_activation=False)
                shown = [slot["element_id"] for slot in made["slots"]]
                if forger:
                    clicked = shown[0] == wanted[product]
                else:
                    chosen = np.array([[catalogue.element_rows[name] for name in shown]], dtype=np.int32)
                    at = np.array([product], dtype=np.int32), np.zeros(1, dtype=np.int32)
                    clicked = luck < 1 / (1 + np.exp(-float(truth.logit(*at, chosen)[0])))
                if clicked:
                    rows.append({"event_id": made["event_id"], "kind": "click"})
            running.report(*rows)
            running.travel(WINDOW + 3)
            assert learner.round() == NUM_DECISIONS
        return shares(running, wanted)


def evidence_after(run: Path, optimizer: Optimizer, folder: Path, forge: Callable[[InProcess, Decide], int]) -> str:
    """What the learner knows after twelve decisions of one combination, of which three are clicked, and what `forge`
    does, which returns the number of decisions it made."""
    folder.mkdir()
    ids = optimizer.catalogue.elements["element_id"]
    elements = [str(ids[int(optimizer.catalogue.pool(0, slot)[0])]) for slot in range(3)]
    pins = [{"slot_id": name, "element_id": id} for name, id in zip(optimizer.slot_names, elements, strict=True)]
    product = str(optimizer.catalogue.products["product_id"][0])
    with InProcess(Path(shutil.copytree(run, folder / "run")), str(folder / "s.db"), guard_every_seconds=0) as running:
        decide = partial(running.decide, product, pinned=pins, defer_activation=False)
        made = [decide(event_id=f"mine-{i}") for i in range(12)]
        running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made[:3]))
        forged = forge(running, decide)
        running.travel(WINDOW + 3)
        learner = Learner(running.service)
        assert learner.round() == 12 + forged
        evidence = learner._states["control"].evidence
        return json.dumps([float(evidence.mass.sum()), float(evidence.offset.sum()), evidence.linear.tolist()])


def test_repeated_and_unsigned_rewards_have_no_effect(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    def forge(running: InProcess, _: Decide) -> int:
        again = [{"event_id": f"mine-{i}", "kind": "click"} for i in range(3)] * 20
        made_up = [{"event_id": f"g1.{'A' * 28}", "kind": "click"}, {"event_id": "mine-99", "kind": "click"}]
        statuses = [result["status"] for result in running.report(*again, *made_up)]
        assert statuses == ["duplicate"] * 60 + ["rejected"] * 2
        return 0

    honest = evidence_after(pairs_run.path, pairs_optimizer, tmp_path / "honest", lambda *_: 0)
    assert honest == evidence_after(pairs_run.path, pairs_optimizer, tmp_path / "forged", forge)


def test_what_one_actor_clicks_beyond_its_limit_has_no_effect(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    def clicks(num: int, running: InProcess, decide: Decide) -> int:
        made = [decide(actor_id="forger")["event_id"] for _ in range(num)]
        results = running.report(*({"event_id": name, "kind": "click"} for name in made))
        assert {result["status"] for result in results} == {"accepted"}
        return num

    found = [
        evidence_after(pairs_run.path, pairs_optimizer, tmp_path / str(num), partial(clicks, num)) for num in (4, 5, 40)
    ]
    assert found[0] != found[1] == found[2]


@pytest.mark.soak
def test_how_far_forged_clicks_lift_an_element(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    """5% of requests, 6,000 decisions of four products, four seeds; with defences and without, by number of forgers."""
    wanted = targets(pairs_optimizer, pairs_truth)
    no_judgement = {"forged_window_hours": 0.0}
    no_limits = {"decisions_per_actor": 0, "decisions_per_actor_and_product": 0, **no_judgement}
    settings: dict[str, tuple[float, int, dict[str, Any]]] = {
        "honest": (0.0, 1, {}),
        "one forger, no limits": (0.05, 1, no_limits),
        "one forger": (0.05, 1, {}),
        "5 forgers": (0.05, 5, {}),
        "20 forgers, limits alone": (0.05, 20, no_judgement),
        "20 forgers": (0.05, 20, {}),
        "200 forgers": (0.05, 200, {}),
    }
    found = {
        name: np.stack(
            [
                play(pairs_run.path, tmp_path / f"{name}-{seed}", pairs_truth, wanted, forged, actors, seed, **config)
                for seed in (1, 2, 3, 4)
            ]
        )
        for name, (forged, actors, config) in settings.items()
    }
    for name, shares_found in found.items():
        rise = (shares_found - found["honest"]).ravel()
        error = rise.std(ddof=1) / np.sqrt(rise.size)
        print(f"{name}: {np.round(shares_found, 3).tolist()}, mean {shares_found.mean():.3f}, rise {rise.mean():.3f}")
        print(f"  standard error {error:.3f}, from {rise.min():.3f} to {rise.max():.3f}")
    rise = {name: float((values - found["honest"]).mean()) for name, values in found.items()}
    assert rise["one forger"] < 0.05 < rise["one forger, no limits"]
    assert rise["20 forgers"] < 0.6 * rise["20 forgers, limits alone"]
