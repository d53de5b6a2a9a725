"""Time of one proposal and of one decision, against slots and candidates, on one thread in process.

A proposal: 16 combinations generated, refined and the best chosen, on a cached product encoding, tables of the request
included. A decision: the exploring policy's choice with its exact propensity.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genco.benchmarks.markdown import markdown_table
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import simulate_world, train_world
from genco.policies.optimizer import load
from genco.rng import stream

NUM_PROPOSALS = 16
WARM_UP = 3
FIGURES = ("propose_median_ms", "propose_p99_ms", "decide_median_ms", "decide_p99_ms")
HEADER = ("slots", "candidates a slot", "combinations", *(name.replace("_", " ") for name in FIGURES))


def configuration(options: Options) -> dict[str, Any]:
    """Slots 2 to 8 of 10 candidates; 4 slots of 10 to 1,000; 5 of 1,000 as in `wide`. Stage 1 is not trained."""
    quick = options.quick
    slots = [2, 4, 8] if quick else [2, 3, 4, 5, 6, 7, 8]
    candidates = [100, 300, 1_000] if quick else [20, 50, 100, 200, 500, 1_000]
    return {
        "scenario": "pairs_sparse",
        "shapes": [[number, 10] for number in slots] + [[4, number] for number in candidates] + [[5, 1_000]],
        "products": 20,
        "impressions": 20_000,
        "proposals": 200 if quick else 1_000,
        "decisions": 20 if quick else 100,
        "training": {"training": {"steps": 0}, "reward_model": {"residual": "off"}},
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    seeds = range(1, (num_seeds or 1) + 1)
    return [{"slots": shape[0], "candidates": shape[1], "seed": seed} for seed in seeds for shape in config["shapes"]]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Draw a small world of that shape, fit stage 2, time requests."""
    data, run = str(scratch / "world"), str(scratch / "run")
    world = {key: config[key] for key in ("scenario", "impressions", "products")}
    candidates = [unit["candidates"]] * unit["slots"]
    call_apart(simulate_world, {**world, "candidates": candidates, "seed": unit["seed"], "out": data}, progress)
    call_apart(train_world, {"data": data, "out": run, "config": config["training"]}, progress)
    asked = {"run": run, "proposals": config["proposals"], "decisions": config["decisions"], "seed": unit["seed"]}
    return [call_apart(time_requests, asked, progress, threads=1)]


def time_requests(run: str, proposals: int, decisions: int, seed: int, progress: Progress) -> dict[str, float]:
    """Median and 99th percentile in milliseconds of proposals and decisions on cached product encodings."""
    optimizer = load(run)
    policy = optimizer.policy
    rng = stream(seed, "bench latency")
    products = [int(p) for p in rng.integers(policy.bound.catalogue.num_products, size=max(proposals, decisions))]
    for product in set(products):
        policy.encoding(product)
    context = rng.normal(size=(len(products), len(optimizer.context()))).astype(np.float32)

    def propose(number: int) -> None:
        policy.best(policy.request(products[number], context[number]), NUM_PROPOSALS, rng)

    def decide(number: int) -> None:
        policy.decide(policy.request(products[number], context[number])).choose(rng)

    result: dict[str, float] = {}
    for name, call, num in (("propose", propose, proposals), ("decide", decide, decisions)):
        took = _milliseconds(call, num)
        result |= {f"{name}_median_ms": float(np.median(took)), f"{name}_p99_ms": float(np.quantile(took, 0.99))}
        progress("evaluate", {"request": num, "of": num})
    return result


def _milliseconds(call: Callable[[int], None], num: int) -> list[float]:
    for number in range(min(WARM_UP, num)):
        call(number)
    took = []
    for number in range(num):
        started = time.perf_counter()
        call(number)
        took.append(1e3 * (time.perf_counter() - started))
    return took


def exponent(candidates: Mapping[int, float], least: int = 0) -> float | None:
    """Slope of log time on log candidates, over slots of at least `least` candidates; None of fewer than two sizes."""
    points = sorted((size, took) for size, took in candidates.items() if size >= least)
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points)).T
    return float(np.polyfit(x, y, 1)[0])


def table(rows: pl.DataFrame, config: Config) -> str:
    """One line a shape, means over seeds, and the exponent of time in candidates."""
    mean = rows.group_by("slots", "candidates").agg(pl.col(FIGURES).mean()).sort("slots", "candidates")
    lines = []
    for row in mean.to_dicts():
        slots, candidates = int(row["slots"]), int(row["candidates"])
        size = f"{candidates**slots:,}" if candidates**slots < 10**7 else f"{candidates**slots:.0e}"
        lines.append([str(slots), f"{candidates:,}", size, *(f"{row[name]:.2f}" for name in FIGURES)])
    parts = [
        "# Latency\n",
        f"Milliseconds on one thread, product encodings cached. A proposal: {NUM_PROPOSALS} generated, refined, the "
        f"best chosen. Stage 1 is not trained.\n\n{markdown_table(HEADER, lines)}",
    ]
    four = mean.filter(pl.col("slots") == 4)
    for name in ("propose", "decide"):
        took = dict(zip(four["candidates"].cast(pl.Int64), four[f"{name}_median_ms"], strict=True))
        slopes = [("all sizes", exponent(took)), ("100 candidates and more", exponent(took, 100))]
        said = ", ".join(f"{slope:.2f} over {what}" for what, slope in slopes if slope is not None)
        if said:
            parts.append(f"Time of `{name}` grows as candidates to the power {said} (4 slots).\n")
    return "\n".join(parts)


SUITE = Suite("latency", ("slots", "candidates", "seed"), configuration, units, measure, table)
