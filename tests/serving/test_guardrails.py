"""The rules that end a rollout: by hand-worked numbers, and asked again and again on arms that do not differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genco.serving.guardrails import (
    ERRORS,
    LATENCY,
    SAMPLE_RATIO,
    VALUE,
    Evidence,
    Limits,
    Recent,
    breaches,
    difference,
)

BUCKETS = 512
FINE = Recent(1_000, 1, 20.0)


def even(num: int, rewarded: int) -> tuple[np.ndarray, np.ndarray]:
    """Decisions of one arm and their rewards, spread over all buckets alike."""
    ones = np.ones(BUCKETS)
    return ones * num / BUCKETS, ones * rewarded / BUCKETS


def stage(candidate: Recent = FINE, control: Recent = FINE, share: float = 0.5) -> Evidence:
    decisions, reward = (np.stack(pair) for pair in zip(even(5_000, 150), even(5_000, 150), strict=True))
    noise = np.resize([0.1, -0.1], BUCKETS)
    return Evidence(share, decisions, reward + noise, (control, candidate))


def names(evidence: Evidence, limits: Limits | None = None) -> list[str]:
    return [breach.name for breach in breaches(evidence, limits or Limits())]


def test_equal_arms_break_nothing() -> None:
    assert names(stage()) == []
    nothing = np.zeros((2, BUCKETS))
    assert names(Evidence(0.01, nothing, nothing, (Recent(), Recent()))) == []


def test_the_interval_by_hand() -> None:
    """100 decisions a bucket and arm, every bucket rewarded 3 (control) and 2 (candidate), give or take 0.5."""
    swing = np.resize([0.5, -0.5], BUCKETS)
    decisions = np.full((2, BUCKETS), 100.0)
    reward = np.stack([3 + swing, 2 + swing])
    found = difference(decisions, reward)
    assert found is not None
    variance = 2 * BUCKETS * 0.25 / (2 * 51_200) * (2 / 51_200)
    prior = (0.2 * 0.03) ** 2
    half = np.sqrt(2 * variance * (1 + variance / prior) * (np.log(20) + 0.5 * np.log(1 + prior / variance)))
    assert found == pytest.approx((-0.01, -0.01 - half, -0.01 + half))
    assert names(Evidence(0.5, decisions, reward, (FINE, FINE))) == [VALUE]


def test_a_candidate_without_any_reward_is_judged_once_the_control_would_have_had_twenty() -> None:
    def value(num: int) -> list[str]:
        rng = np.random.default_rng(0)
        decisions = rng.multinomial(num, np.full(BUCKETS, 1 / BUCKETS), size=2).astype(float)
        reward = np.stack([rng.multinomial(num * 2 // 100, np.full(BUCKETS, 1 / BUCKETS)), np.zeros(BUCKETS)])
        return names(Evidence(0.5, decisions, reward.astype(float), (FINE, FINE)))

    assert value(900) == [] and value(1_100) == [VALUE]


@pytest.mark.parametrize(
    ("candidate", "control", "broken"),
    [
        (Recent(500, 5), Recent(500, 0), [ERRORS]),  # 1% more: not above the limit; see below
        (Recent(500, 50), Recent(500, 0), [ERRORS]),
        (Recent(500, 50), Recent(500, 45), []),
        (Recent(20, 4), Recent(2_000, 0), []),  # too few to say
        (Recent(20, 20), Recent(0, 0), [ERRORS]),
    ],
)
def test_errors(candidate: Recent, control: Recent, broken: list[str]) -> None:
    limits = Limits(error_rate=0.005)
    expected = [] if candidate == Recent(500, 5) else broken  # 5 of 5 in one half: 1 in 32
    assert names(stage(candidate, control), limits) == expected


@pytest.mark.parametrize(
    ("candidate", "control", "broken"),
    [(150.0, 20.0, [LATENCY]), (90.0, 20.0, []), (150.0, 80.0, []), (None, 20.0, []), (150.0, None, [])],
)
def test_latency(candidate: float | None, control: float | None, broken: list[str]) -> None:
    assert names(stage(replace(FINE, p99_ms=candidate), replace(FINE, p99_ms=control))) == broken


def test_sample_ratio() -> None:
    assert names(stage(share=0.45)) == [SAMPLE_RATIO]
    (breach,) = breaches(stage(share=0.45), Limits())
    assert breach.figures["expected"] == pytest.approx(4_500) and breach.figures["found"] == pytest.approx(5_000)
    assert breach.figures["p"] < 1e-3


def play(
    rng: np.random.Generator, share: float, factor: float, looks: int, heavy: bool, lost: float = 0.0
) -> dict[str, int]:
    """Ask after every 800 decisions; decisions at which a guardrail broke first. Control's rate 3%.

    factor: candidate's rate over the control's · heavy: actors with 20 decisions on average and rates of their own ·
    lost: share of the candidate's decisions that never arrive.
    """
    decisions, reward = np.zeros((2, BUCKETS)), np.zeros((2, BUCKETS))
    first: dict[str, int] = {}
    for look in range(1, looks + 1):
        num = 40 if heavy else 800
        size = rng.geometric(1 / 20, num) if heavy else np.ones(num, dtype=int)
        rate = np.minimum(0.03 * (rng.exponential(size=num) if heavy else 1.0), 1.0)
        arm, bucket = (rng.random(num) < share).astype(int), rng.integers(BUCKETS, size=num)
        kept = rng.binomial(size, 1 - lost * arm)
        np.add.at(decisions, (arm, bucket), kept)
        np.add.at(reward, (arm, bucket), rng.binomial(kept, np.where(arm == 1, np.minimum(rate * factor, 1), rate)))
        for breach in breaches(Evidence(share, decisions, reward, (FINE, FINE)), Limits()):
            first.setdefault(breach.name, 800 * look)
    return first


def test_looking_often_does_no_harm_and_harm_is_seen() -> None:
    rng = np.random.default_rng(1)
    same = [play(rng, 0.5, 1.0, 100, heavy) for heavy in (False, True) for _ in range(30)]
    assert sum(bool(found) for found in same) <= 3
    worse = [play(rng, 0.5, 0.6, 40, False).get(VALUE) for _ in range(5)]
    assert all(worse)
    assert all(SAMPLE_RATIO in play(rng, 0.5, 1.0, 60, False, lost=0.1) for _ in range(5))


@pytest.mark.soak
@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_false_alarms_over_a_whole_stage(share: float, heavy: bool) -> None:
    """200,000 decisions, 250 looks, 200 stages."""
    rng = np.random.default_rng(2)
    found = [play(rng, share, 1.0, 250, heavy) for _ in range(200)]
    rates = {name: sum(name in each for each in found) / 200 for name in (VALUE, SAMPLE_RATIO)}
    print(f"share {share}, heavy {heavy}: {rates}")
    assert rates[VALUE] <= 0.05 and rates[SAMPLE_RATIO] <= 0.02


@pytest.mark.soak
def test_how_soon_harm_is_seen() -> None:
    """Half of the actors, control's rate 3%: decisions until the candidate is rolled back."""
    rng = np.random.default_rng(3)
    for factor in (0.5, 0.8, 0.9):
        found = [play(rng, 0.5, factor, 250, False).get(VALUE) for _ in range(60)]
        seen = sorted(each for each in found if each is not None)
        print(f"rate times {factor}: seen in {len(seen)} of 60, median {seen[len(seen) // 2]}, last {seen[-1]}")
        assert len(seen) >= 50
