"""Forged rewards: a posterior by hand, honest actors of many kinds left alone, forgers found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genco.models import forged_rewards
from genco.models.forged_rewards import ActorRows, forged


def rows_of(actor: list[int], element: list[int], rewarded: list[bool], rate: float = 0.02) -> ActorRows:
    """Rows of one product with one slot of ten elements."""
    size = len(actor)
    return ActorRows(
        np.array(actor),
        np.zeros(size, dtype=np.int64),
        np.array(element)[:, None],
        np.full(size, 10),
        np.array(rewarded),
        np.full(size, np.log(rate / (1 - rate))),
    )


def test_the_posterior_of_one_actor_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody differs from anybody, one share, one round of EM: Bayes' rule on a sheet of paper."""
    monkeypatch.setattr(forged_rewards, "_NODES", np.array([0.5]))  # the mean is taken off again
    monkeypatch.setattr(forged_rewards, "_LOG_WEIGHTS", np.zeros(1))
    monkeypatch.setattr(forged_rewards, "_SHARES", np.array([0.25]))
    monkeypatch.setattr(forged_rewards, "ROUNDS", 1)
    found = forged(rows_of([7, 7, 7], [3, 3, 4], [True, True, False], rate=0.1), prior=0.2)
    target, other = 0.95**2 / 0.1**2, 0.05 / 0.9  # a forger's chance to an honest actor's, by its target
    selected = 1 - 0.9**3 - 3 * 0.1 * 0.9**2  # that an honest actor has two rewards or more
    of_three, of_four = (0.75 + 0.25 * selected * (0.5 + 0.5 * ratio) for ratio in (target, other))
    weight = 0.1 * of_three, 0.1 * of_four, 0.8
    share = np.array(weight) / sum(weight)
    ratio = 0.5 + 0.5 * (share[0] * target + share[1] * other + share[2])
    mixed = 0.75 + 0.25 * selected * ratio
    anybody = 0.2 * mixed / (0.2 * mixed + 0.8)
    forger = anybody * 0.25 * selected * ratio / mixed
    assert found[0] == pytest.approx(forger * 0.5 * share[0] * target / ratio, rel=1e-9)
    assert found[1] == found[0] and found[2] == 0


def test_nobody_is_judged_by_fewer_than_two_rewards() -> None:
    assert forged(rows_of([], [], [])).shape == (0,)
    assert not forged(rows_of([1, 1, 2], [3, 3, 3], [True, False, True])).any()
    assert not forged(rows_of([1, 2], [3, 3], [False, False])).any()


def world(seed: int, forgers: int = 0, taste: float = 1.0) -> tuple[ActorRows, np.ndarray]:
    """3,000 rows of 400 honest actors, that differ in eagerness and taste, and 300 rows of forgers; whether a row
    is a forger's. Two products of ten elements each; forgers are after the first of each, which shows a quarter."""
    rng, num_honest = np.random.default_rng(seed), 400
    activity = rng.pareto(2.0, num_honest) + 0.1
    honest = rng.choice(num_honest, size=3_000, p=activity / activity.sum())
    actor = np.concatenate([honest, num_honest + np.arange(300 if forgers else 0) % max(forgers, 1)])
    size = len(actor)
    is_forger, product = actor >= num_honest, rng.integers(2, size=size)
    element = np.where(rng.random(size) < 0.25, 0, rng.integers(1, 10, size=size)) + 10 * product
    logit = rng.normal(-4, 0.7, 20)[element]
    tastes = rng.normal(0, taste, (num_honest + forgers, 20))[actor, element]
    own = logit + rng.normal(0, 1, num_honest + forgers)[actor] + tastes - (1 + taste**2) / 2
    rewarded = rng.random(size) < 1 / (1 + np.exp(-own))
    rewarded = np.where(is_forger, element == 10 * product, rewarded)
    return ActorRows(actor, product, element[:, None], np.full(size, 10), rewarded, logit), is_forger


@pytest.mark.parametrize("taste", [0.0, 1.0, 1.5])
def test_honest_actors_keep_their_rewards(taste: float) -> None:
    for seed in range(6):
        rows, _ = world(seed, taste=taste)
        assert rows.rewarded.sum() > 20
        assert forged(rows).max() < 0.5


@pytest.mark.parametrize("forgers", [1, 5, 20])
def test_forgers_are_found_and_hardly_anybody_else(forgers: int) -> None:
    caught, taken = [], []
    for seed in range(5):
        rows, is_forger = world(seed, forgers)
        out = forged(rows) > 0.5
        caught.append(out[is_forger & rows.rewarded].mean())
        taken.append(out[~is_forger & rows.rewarded].mean())
    assert np.mean(caught) > 0.85
    assert np.mean(taken) < 0.05


def test_order_and_numbers_of_actors_do_not_matter() -> None:
    rows, _ = world(1, 5)
    order = np.random.default_rng(0).permutation(len(rows.actor))
    again = forged(replace(rows.only(order), actor=10_000 - 7 * rows.actor[order]))
    assert again == pytest.approx(forged(rows)[order], abs=1e-9)


def test_an_element_twice_in_a_row_counts_once_and_an_empty_slot_not_at_all() -> None:
    rows, _ = world(2, 5)
    wide = np.concatenate([rows.combination, rows.combination, np.full_like(rows.combination, -1)], axis=1)
    assert forged(replace(rows, combination=wide)) == pytest.approx(forged(rows), abs=1e-12)
