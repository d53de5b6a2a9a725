"""Spaces far too large to enumerate: what each way of searching is worth, against the milliseconds it takes.

Every method optimises the same reward model on one thread, the request's tables included in its time; the truth judges.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.benchmarks.markdown import markdown_table
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import simulate_world, train_world
from genco.errors import DataError
from genco.policies.generative import GenerativePolicy, Request
from genco.policies.optimizer import load
from genco.rng import stream
from genco.runtime.refine import beam, coordinate_ascent
from genco.simulator.reference import normalised_value, reference
from genco.simulator.truth import truth_of
from genco.simulator.world import World
from genco.storage.dataset import open_dataset

Positions = NDArray[np.int32]
Search = Callable[[GenerativePolicy, Request, np.random.Generator], Positions]
WIDTH = 16
HEADER = ("method", "value", "standard error", "median ms", "p99 ms", "predicted uplift")


def _best(policy: GenerativePolicy, request: Request, positions: Positions) -> Positions:
    best: Positions = positions[int(policy.scores(request, positions).argmax())]
    return best


def _ascent(num: int) -> Search:
    def search(policy: GenerativePolicy, request: Request, rng: np.random.Generator) -> Positions:
        starts = request.space.sample_uniform(rng, num)
        return _best(policy, request, coordinate_ascent(request.tables, request.space, starts)[0])

    return search


METHODS: dict[str, Search] = {
    "generator, greedy": lambda policy, request, rng: request.policy.greedy(),
    "generator, best of 16": lambda policy, request, rng: _best(policy, request, request.policy.propose(16, rng)[0]),
    "generator + refine, 16": lambda policy, request, rng: policy.best(request, 16, rng)[0],
    "random-start ascent, 16": _ascent(16),
    "random-start ascent, 64": _ascent(64),
    "table beam, width 16": lambda policy, request, rng: _best(
        policy, request, beam(request.tables, request.space, WIDTH)
    ),
}


def configuration(options: Options) -> dict[str, Any]:
    """The scenario `wide`: 5 slots of 1,000; `quick`: 200,000 impressions, 20 requests, 50 steps."""
    quick = options.quick
    return {
        "scenario": "wide",
        "impressions": 200_000 if quick else 2_000_000,
        "products": None,
        "candidates": None,
        "requests": 20 if quick else 100,
        "training": {"training": {"steps": 50}} if quick else {},
        "residual": ["off", "on"],
        "seeds": 1,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    seeds = range(1, (num_seeds or config["seeds"]) + 1)
    return [{"residual": residual, "seed": seed} for seed in seeds for residual in config["residual"]]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Simulate, train and search, each in a process of its own; a row per request and method."""
    data, run = str(scratch / "world"), str(scratch / "run")
    world = {key: config[key] for key in ("scenario", "impressions", "products", "candidates")}
    call_apart(simulate_world, {**world, "seed": unit["seed"], "out": data}, progress)
    training = dict(config["training"])
    training["reward_model"] = {**training.get("reward_model", {}), "residual": unit["residual"]}
    call_apart(train_world, {"data": data, "out": run, "config": training}, progress)
    asked = {"run": run, "data": data, "requests": config["requests"], "seed": unit["seed"]}
    rows: list[Row] = call_apart(search_world, asked, progress, threads=1)
    return rows


def search_world(run: str, data: str, requests: int, seed: int, progress: Progress) -> list[Row]:
    """Let every method choose for the same requests; milliseconds are the faster of two calls, tables included."""
    optimizer, truth = load(run), truth_of(open_dataset(data))
    policy = optimizer.policy
    if not isinstance(truth, World):
        raise DataError("The suite `wide` needs a simulated world. Found none.")
    rng = stream(seed, "bench wide")
    rows: list[Row] = []
    for number in range(requests):
        product = int(rng.integers(policy.bound.catalogue.num_products))
        segment = int(rng.integers(len(truth.context_values)))
        values = {truth.context_name: truth.context_values[segment]} if truth.context_name else {}
        context = optimizer.context(values)
        space = policy.encoding(product).space
        scale = reference(truth, product, segment, space.candidates)
        for method, search in METHODS.items():
            took = []
            for _ in range(2):
                draws = stream(seed, method, number)
                started = time.perf_counter()
                request = policy.request(product, context)
                chosen = search(policy, request, draws)
                took.append(1e3 * (time.perf_counter() - started))
            shown = policy.rows(space, chosen[None])
            chance = truth.click_probability(np.array([product]), np.array([segment]), shown)
            rows.append(
                {
                    "request": number,
                    "method": method,
                    "milliseconds": min(took),
                    "click_probability": float(chance[0]),
                    "predicted_uplift": float(policy.scores(request, chosen[None])[0]),
                    "uniform": scale.uniform,
                    "oracle": scale.oracle,
                }
            )
        progress("evaluate", {"request": number + 1, "of": requests})
    return rows


def table(rows: pl.DataFrame, config: Config) -> str:
    """Value against time by method, one table per state of the attention residual, and who wins."""
    parts = [
        f"# Wide\n\nScenario `{config['scenario']}`, {config['impressions']:,} impressions. Value: 0 = uniform play, "
        "1 = the best combination that coordinate ascent on the true logit finds. Time: one request on one thread, "
        "tables included.\n"
    ]
    for residual in config["residual"]:
        own = rows.filter(pl.col("residual") == residual)
        if not own.height:
            continue
        lines, scores = [], {}
        for method in METHODS:
            picked = own.filter(pl.col("method") == method)
            columns = (picked[name].to_numpy() for name in ("click_probability", "uniform", "oracle"))
            value, error = normalised_value(*columns)
            took = picked["milliseconds"].to_numpy()
            median, worst = float(np.median(took)), float(np.quantile(took, 0.99))
            scores[method] = (value, error, median)
            uplift = f"{picked['predicted_uplift'].to_numpy().mean():.3f}"
            lines.append([method, f"{value:.3f}", f"{error:.3f}", f"{median:.2f}", f"{worst:.2f}", uplift])
        parts.append(f"## Attention residual {residual}\n\n{markdown_table(HEADER, lines)}\n{_winner(scores)}\n")
    return "\n".join(parts)


def _winner(scores: dict[str, tuple[float, float, float]]) -> str:
    """The best value, and the fastest method within one standard error of it."""
    best = max(scores, key=lambda method: scores[method][0])
    value, error, milliseconds = scores[best]
    near = [method for method in scores if scores[method][0] >= value - error]
    fast = min(near, key=lambda method: scores[method][2])
    said = f"Highest value: {best} ({value:.3f} in {milliseconds:.2f} ms)."
    if fast != best:
        said += (
            f" Within one standard error of it and faster: {fast} ({scores[fast][0]:.3f} in {scores[fast][2]:.2f} ms)."
        )
    return said


SUITE = Suite("wide", ("residual", "seed"), configuration, units, measure, table)
