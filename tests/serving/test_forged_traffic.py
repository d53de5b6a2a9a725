"""Forged traffic: a share of requests clicks whatever shows one element. How far does that element's share rise?"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.kits.running_service import InProcess

from genco.policies.optimizer import Optimizer
from genco.protocols import Truth
from genco.serving.learner import Learner
from genco.storage.runs import RunFolder

WINDOW = 600
NUM_PRODUCTS, ROUNDS, NUM_DECISIONS = 4, 10, 600


def targets(optimizer: Optimizer, truth: Truth) -> list[str]:
    """The title of every product that is worst on average over the other slots."""
    found = []
    for product in range(NUM_PRODUCTS):
        candidates = [optimizer.catalogue.candidates(product, slot) for slot in range(3)]
        logits = truth.enumerate_logits(product, 0, candidates)
        worst = int(np.nanmean(logits, axis=(1, 2)).argmin())
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
    run: Path, folder: Path, truth: Truth, wanted: list[str], forged: float, seed: int, **config: Any
) -> np.ndarray:
    """Shares of the wanted titles after rounds of decisions, clicks and learning. forged: share of the requests that
    come from one actor, which clicks whatever shows the title and nothing else."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    copy = shutil.copytree(run, folder / "run")
    with InProcess(copy, str(folder / "s.db"), rate_per_second=1e6, guard_every_seconds=0, **config) as running:
        learner, catalogue = Learner(running.service), running.service.model.catalogue
        for number in range(ROUNDS):
            rows = []
            for i in range(NUM_DECISIONS):
                product, forger, luck = i % NUM_PRODUCTS, rng.random() < forged, rng.random()
                actor = "forger" if forger else f"actor-{number}-{i}"
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


def test_repeated_and_unsigned_rewards_have_no_effect(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, tmp_path: Path
) -> None:
    product = str(pairs_optimizer.catalogue.products["product_id"][0])

    def learned(folder: Path, forge: bool) -> str:
        folder.mkdir()
        copy = shutil.copytree(pairs_run.path, folder / "run")
        with InProcess(copy, str(folder / "s.db"), guard_every_seconds=0) as running:
            pins = [{"slot_id": name, "element_id": element} for name, element in zip(names, elements, strict=True)]
            made = [
                running.decide(product, event_id=f"mine-{i}", pinned=pins, defer_activation=False) for i in range(12)
            ]
            running.report(*({"event_id": answer["event_id"], "kind": "click"} for answer in made[:3]))
            if forge:
                again = [{"event_id": answer["event_id"], "kind": "click"} for answer in made[:3]] * 20
                made_up = [{"event_id": f"g1.{'A' * 28}", "kind": "click"}, {"event_id": "mine-99", "kind": "click"}]
                statuses = [result["status"] for result in running.report(*again, *made_up)]
                assert statuses == ["duplicate"] * 60 + ["rejected"] * 2
            running.travel(WINDOW + 3)
            learner = Learner(running.service)
            assert learner.round() == 12
            evidence = learner._states["control"].evidence
            return json.dumps([float(evidence.mass.sum()), float(evidence.offset.sum()), evidence.linear.tolist()])

    names = pairs_optimizer.slot_names
    ids = pairs_optimizer.catalogue.elements["element_id"]
    elements = [str(ids[int(pairs_optimizer.catalogue.pool(0, slot)[0])]) for slot in range(3)]
    assert learned(tmp_path / "honest", False) == learned(tmp_path / "forged", True)


@pytest.mark.soak
def test_how_far_forged_clicks_lift_an_element(
    pairs_run: RunFolder, pairs_optimizer: Optimizer, pairs_truth: Truth, tmp_path: Path
) -> None:
    """5% of requests, one actor, 6,000 decisions of four products, three seeds; with caps and without."""
    wanted = targets(pairs_optimizer, pairs_truth)
    settings: dict[str, tuple[float, dict[str, Any]]] = {
        "honest": (0.0, {}),
        "forged": (0.05, {}),
        "forged, capped": (0.05, {"rewards_per_actor": 2}),
    }
    found = {
        name: np.stack(
            [
                play(pairs_run.path, tmp_path / f"{name}-{seed}", pairs_truth, wanted, forged, seed, **config)
                for seed in (1, 2, 3)
            ]
        )
        for name, (forged, config) in settings.items()
    }
    for name, shares_found in found.items():
        print(f"{name}: by seed and product {np.round(shares_found, 3).tolist()}, mean {shares_found.mean():.3f}")
    rise = {name: float((values - found["honest"]).mean()) for name, values in found.items()}
    assert rise["forged, capped"] < rise["forged"] / 2
