"""Who chooses: the model, the holdout's baseline or the caller's own choice, and what goes into the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from genco.serving.config import ServiceConfig
from genco.serving.served_model import Combination, Question, ServedModel

log = logging.getLogger(__name__)
MODEL, BASELINE, HOLDOUT = "model", "baseline", "holdout"
LOGGING_ONLY, APPRENTICE, ONLINE = "logging_only", "apprentice", "online"
TIMEOUT, SCORING_FAILED, STORE_UNAVAILABLE = "timeout", "scoring_failed", "store_unavailable"


@dataclass(frozen=True)
class Baseline:
    """What is served where the model does not choose: found when it is needed. propensity: with which the caller drew
    it; None = not said."""

    find: Callable[[], Combination]
    propensity: float | None


@dataclass(frozen=True)
class Choice:
    """What to serve. reason: why the model did not choose, "" where it did · model_combination: apprentice only."""

    combination: Combination
    propensity: float | None
    policy: str
    reason: str
    model_combination: Combination | None = None


def served_baseline(baseline: Baseline, policy: str, reason: str) -> Choice:
    """The baseline for a reason that did not depend on it: its propensity is the caller's, or 1 as it was certain."""
    certain = 1.0 if baseline.propensity is None else baseline.propensity
    return Choice(baseline.find(), certain, policy, reason)


class Decider:
    """Scores in one thread of its own, so that a slow choice can be overtaken by its timeout.

    A question that was scored lately is answered at once.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._thread = ThreadPoolExecutor(1, "genco-scorer")
        self._rng = np.random.default_rng()  # from the machine's entropy: nobody can foresee a choice

    async def choose(
        self, model: ServedModel, question: Question, baseline: Baseline, held_out: bool, timeout_ms: float | None
    ) -> Choice:
        """The choice for one question. Never raises for what scoring may do."""
        mode = self._config.mode
        if mode == LOGGING_ONLY:
            return Choice(baseline.find(), baseline.propensity, BASELINE, LOGGING_ONLY)
        if held_out:
            return served_baseline(baseline, HOLDOUT, HOLDOUT)
        allowed = self._config.timeout_ms if timeout_ms is None else min(timeout_ms, self._config.timeout_ms)
        chosen = await self._scored(model, question, allowed)
        if mode == APPRENTICE:
            learned = None if isinstance(chosen, str) else chosen[0]
            return Choice(baseline.find(), baseline.propensity, BASELINE, APPRENTICE, learned)
        if isinstance(chosen, str):
            return served_baseline(baseline, BASELINE, chosen)
        return Choice(*chosen, MODEL, "")

    async def _scored(
        self, model: ServedModel, question: Question, timeout_ms: float
    ) -> tuple[Combination, float] | str:
        """The model's choice and its propensity, or the reason why there is none."""
        seconds = timeout_ms / 1e3
        try:
            remembered = model.remembered(question)
            if remembered is not None:
                found = model.chosen(remembered, self._rng)
            else:
                until = time.perf_counter() + seconds
                future = self._thread.submit(self._choose_in_time, model, question, until)
                found = await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            return TIMEOUT
        except Exception:  # whatever breaks in scoring, the caller is answered with the baseline
            log.exception("scoring failed")
            return SCORING_FAILED
        return found if np.isfinite(found[1]) and found[1] > 0 else SCORING_FAILED

    def _choose_in_time(self, model: ServedModel, question: Question, until: float) -> tuple[Combination, float]:
        """What has waited past its time is not begun."""
        if time.perf_counter() > until:
            raise TimeoutError
        return model.choose(question, self._rng)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)


async def stored(future: Future[Any], seconds: float) -> Any:
    """The result of a write. Raises `TimeoutError` only if the write was taken back in time: a write that has begun is
    waited for, so that the log never says other than what was served."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
    except TimeoutError:
        if future.cancelled():
            raise
        return await asyncio.wrap_future(future)
