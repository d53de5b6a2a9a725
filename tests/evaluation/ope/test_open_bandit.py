"""The numbers of obp 0.4.1 on the Open Bandit data that its wheel holds, to 1e-9, given one reward model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from genco.evaluation.ope import IPS, SNIPS, DirectMethod, DoublyRobust, SwitchDR

Floats = NDArray[np.float64]
LIMIT = 2.0


class OpenBandit:
    """A campaign logged by the uniform policy, a policy that prefers what was clicked, and a reward model."""

    def __init__(self, campaign: str) -> None:
        spec = importlib.util.find_spec("obp")
        if spec is None or not spec.submodule_search_locations:
            pytest.skip("obp is not installed: the extra `peers` brings it")
        folder = Path(spec.submodule_search_locations[0]) / "dataset" / "obd" / "random" / campaign
        log = pl.read_csv(folder / f"{campaign}.csv")
        self.action, self.position = log["item_id"].to_numpy(), log["position"].to_numpy() - 1
        self.reward, self.propensity = log["click"].to_numpy().astype(float), log["propensity_score"].to_numpy()
        items = int(self.action.max()) + 1
        cell = (self.action, self.position)
        clicks, shown = np.zeros((items, 3)), np.zeros((items, 3))
        np.add.at(clicks, cell, self.reward)
        np.add.at(shown, cell, 1.0)
        rng = np.random.default_rng(0)
        self.model: Floats = (clicks + 0.5) / (shown + 100) * rng.uniform(0.8, 1.2, (items, 3))
        chance = np.exp(150 * self.model)
        self.policy: Floats = chance / chance.sum(axis=0)

    @property
    def rows(self) -> dict[str, Floats]:
        """Columns of `genco` estimators."""
        cell = (self.action, self.position)
        return {
            "propensity": self.propensity,
            "evaluation_prob": self.policy[cell],
            "reward": self.reward,
            "predicted": self.model[cell],
            "expected": (self.policy * self.model).sum(axis=0)[self.position],
        }

    def of_obp(self, estimator: Any) -> float:
        """What an estimator of obp says."""
        num = len(self.action)
        return float(
            estimator.estimate_policy_value(
                reward=self.reward,
                action=self.action,
                position=self.position,
                pscore=self.propensity,
                action_dist=np.repeat(self.policy[None], num, axis=0),
                estimated_rewards_by_reg_model=np.repeat(self.model[None], num, axis=0),
            )
        )


@pytest.fixture(scope="module", params=["all", "men"])
def logged(request: pytest.FixtureRequest) -> OpenBandit:
    return OpenBandit(request.param)


@pytest.mark.filterwarnings("ignore")
def test_equals_obp(logged: OpenBandit) -> None:
    peers = pytest.importorskip("obp.ope")
    rows = logged.rows
    three = [rows[name] for name in ("propensity", "evaluation_prob", "reward")]
    two = [rows[name] for name in ("predicted", "expected")]
    pairs = [
        (peers.InverseProbabilityWeighting(), IPS().update(*three)),
        (peers.SelfNormalizedInverseProbabilityWeighting(), SNIPS().update(*three)),
        (peers.DirectMethod(), DirectMethod().update(rows["expected"])),
        (peers.DoublyRobust(), DoublyRobust().update(*three, *two)),
        (peers.SwitchDoublyRobust(tau=LIMIT), SwitchDR(limit=LIMIT).update(*three, *two)),
    ]
    values = [record.value for _, record in pairs]
    assert values == pytest.approx([logged.of_obp(peer) for peer, _ in pairs], abs=1e-9, rel=0)
    assert len({round(value, 6) for value in values}) == 5, "the five estimates should differ, or the test says little"
