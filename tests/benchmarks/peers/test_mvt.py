import numpy as np
import pytest
from tests.kits.online_policy import aes_shaped, table

from genco.benchmarks.peers.mvt import Mvt, variants
from genco.benchmarks.peers.probit import BayesianProbit


@pytest.mark.parametrize(("click", "sign"), [(True, 1), (False, -1)])
def test_one_observation_by_hand(click: bool, sign: int) -> None:
    """Three active weights N(0, 1), noise 1: total variance 4, margin 0, v = sqrt(2 / pi), w = v^2."""
    model = BayesianProbit(4)
    model.observe(np.array([0, 1, 3]), click)
    v = np.sqrt(2 / np.pi)
    np.testing.assert_allclose(model.mean, sign * np.array([v / 2, v / 2, 0, v / 2]))
    np.testing.assert_allclose(model.variance, [1 - v**2 / 4, 1 - v**2 / 4, 1, 1 - v**2 / 4])


def test_learns_the_rate_of_one_feature() -> None:
    model = BayesianProbit(1)
    rng = np.random.default_rng(0)
    for click in rng.random(20_000) < 0.02:
        model.observe(np.array([0]), bool(click))
    assert abs(model.mean[0] - -2.05) < 0.1
    assert 0 < model.variance[0] < 0.01


def test_certain_of_the_opposite_stays_finite() -> None:
    model = BayesianProbit(1)
    model.mean[:], model.variance[:] = -60.0, 1e-6
    model.observe(np.array([0]), True)
    assert np.isfinite(model.mean).all() and (model.variance > 0).all()


def test_variants_by_hand() -> None:
    arms = table([[(0, 0), (0, 2), (1, 0)], [(0, 0), (1, 0)]])
    assert variants(arms)[0].tolist() == [[0, 2, 0], [1, 1, 1], [0, 2, 2], [3, 4, 3], [3, 4, 4]]
    assert variants(arms)[1].tolist() == [[0, 0, 1], [0, 1, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4]]


def test_long_climbs_end_where_no_single_change_helps() -> None:
    arms = aes_shaped()
    policy = Mvt(arms, 0, restarts=1, steps=60)
    policy.update(np.zeros(1, dtype=np.int32), np.array([0]), np.array([0]))
    policy.model.mean = np.random.default_rng(0).standard_normal(len(policy.model.mean))
    policy.model.variance[:] = 0.0
    score = policy._features @ policy.model.mean
    for arm in set(policy.choose(np.zeros(50, dtype=np.int32))):
        assert (score[variants(arms)[:, arm]] <= score[arm]).all()


def test_more_restarts_find_better_arms() -> None:
    arms = aes_shaped()
    reached = []
    for restarts in (1, 8):
        policy = Mvt(arms, 0, restarts=restarts)
        policy.update(np.zeros(1, dtype=np.int32), np.array([0]), np.array([0]))
        policy.model.mean = np.random.default_rng(0).standard_normal(len(policy.model.mean))
        policy.model.variance[:] = 0.0
        score = policy._features @ policy.model.mean
        reached.append(score[policy.choose(np.zeros(400, dtype=np.int32))].mean() / score.max())
    assert reached[0] < reached[1] <= 1.0
