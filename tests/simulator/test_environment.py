"""Online play: any environment must pass the first tests; the rest is about delay and drift."""

from __future__ import annotations

import numpy as np
import pytest

from genco.errors import DataError
from genco.simulator.environment import Environment, Requests
from genco.simulator.simulate import simulate


def uniform_play(environment: Environment, requests: Requests, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, int(requests.index[0])])
    return environment.simulation.policy.choose(rng, requests.product)[0]


@pytest.mark.parametrize("name", ["pairs_dense", "jd_card", "drift", "wide"])
def test_same_seed_same_play(name: str) -> None:
    simulation = simulate(name, 10, seed=1)
    plays = []
    for environment in (Environment(simulation, seed=3), Environment(simulation, seed=3)):
        requests, clicks = environment.reset(), []
        for _ in range(3):
            feedback, requests = environment.step(uniform_play(environment, requests))
            clicks.append(feedback.request.tolist())
        plays.append((clicks, requests.product.tolist()))
    assert plays[0] == plays[1]


def test_reset_starts_anew() -> None:
    environment = Environment(simulate("drift", 10, seed=1), seed=0)
    first = environment.reset()
    for _ in range(5):
        environment.step(uniform_play(environment, environment.requests))
    again = environment.reset()
    np.testing.assert_array_equal(first.product, again.product)
    assert again.index[0] == 0


def test_requests_are_uniform_over_products_and_segments() -> None:
    environment = Environment(simulate("pairs_dense", 10, seed=1), batch_rows=60_000)
    requests = environment.reset()
    assert np.bincount(requests.context).min() > 9_500
    assert np.bincount(requests.product, minlength=300).min() > 120
    assert len(requests) == 60_000


def test_clicks_arrive_at_once_without_delay_and_follow_the_truth() -> None:
    environment = Environment(simulate("pairs_dense", 10, seed=1), batch_rows=50_000)
    requests = environment.reset()
    combination = uniform_play(environment, requests)
    true = environment.click_probability(combination)
    feedback, _ = environment.step(combination)
    assert np.isin(feedback.request, requests.index).all()
    assert abs(len(feedback.request) - true.sum()) < 4 * np.sqrt(true.sum())
    np.testing.assert_array_equal(feedback.arrival, feedback.request)


def test_drift_clicks_arrive_late_in_order_and_two_percent_never() -> None:
    environment = Environment(simulate("drift", 10, seed=1), batch_rows=10_000)
    requests, expected, delays, arrived, last = environment.reset(), 0.0, [], [], -1.0
    for step in range(40):
        combination = uniform_play(environment, requests)
        expected += environment.click_probability(combination).sum()
        feedback, requests = environment.step(combination)
        assert (feedback.arrival < (step + 1) * 10_000).all()
        assert (np.diff(feedback.arrival, prepend=last) >= 0).all()
        last = feedback.arrival[-1]
        arrived.extend(feedback.request)
        delays.extend(feedback.arrival - feedback.request)
    assert len(set(arrived)) == len(arrived)
    assert np.mean(delays) == pytest.approx(5_000, rel=0.06)
    late = expected / 40 * 0.5  # clicks of the last 5,000 requests, on average, are still on their way
    assert abs(len(arrived) - (0.98 * expected - late)) < 4 * np.sqrt(expected)


def test_the_oracle_of_the_moment_moves_with_the_tastes() -> None:
    simulation = simulate("drift", 10, seed=1)
    early = Environment(simulation, seed=0, batch_rows=50)
    late = Environment(simulation, seed=0, batch_rows=50, first_request=250_000)
    late.requests = Requests(late.requests.index, early.requests.product, early.requests.context)
    uniform, oracle = early.references()
    assert (oracle > uniform).all()
    np.testing.assert_array_equal(early.references()[1], oracle)
    assert (late.references()[1] != oracle).all()
    assert late.world.epoch == 1


def test_a_batch_across_a_turn_uses_both_truths() -> None:
    simulation = simulate("drift", 10, seed=1)
    environment = Environment(simulation, batch_rows=100, first_request=249_950)
    requests = environment.requests
    combination = uniform_play(environment, requests)
    both = environment.click_probability(combination)
    before = simulation.world.click_probability(requests.product, requests.context, combination)
    assert (both[:50] == before[:50]).all()
    assert (both[50:] != before[50:]).all()


def test_errors_name_the_request() -> None:
    environment = Environment(simulate("pairs_dense", 10, seed=1), batch_rows=4)
    combination = uniform_play(environment, environment.requests)
    with pytest.raises(DataError, match=r"\[request, slot\] = \(4, 4\). Found \(3, 4\)"):
        environment.step(combination[:3])
    combination[2, 1] = combination[2, 0]
    with pytest.raises(DataError, match=r"must be legal for its product. Found element rows"):
        environment.step(combination)
    with pytest.raises(DataError, match=r"`batch_rows` must be at least 1. Found 0"):
        Environment(environment.simulation, batch_rows=0)
