"""Off-policy evaluation against known truth: do 95% intervals hold what they promise, and what does the slate estimator
cost where slots interact?

Logs are drawn from enumerated worlds; the value of the evaluated policy is exact. The pseudo-inverse is judged by its
exact expectation, no log needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import ndtri

from genco.benchmarks.enumerated_world import EnumeratedWorld, enumerated_world
from genco.benchmarks.markdown import markdown_table
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import changed_scenario
from genco.evaluation.ope import IPS, SNIPS, DoublyRobust
from genco.evaluation.ope.empirical_likelihood import EmpiricalLikelihood
from genco.evaluation.ope.interval import Interval
from genco.evaluation.ope.poisson_bootstrap import PoissonBootstrap
from genco.evaluation.ope.support import SMALLEST_SIZE
from genco.evaluation.ope.terms import Terms
from genco.rng import stream
from genco.simulator.scenarios import scenario_named
from genco.simulator.simulate import simulate

Floats = NDArray[np.float64]
COVERAGE, SLATES = "coverage", "pseudo-inverse"
NORMAL_95 = float(ndtri(0.975))
CHUNK = 100


@dataclass(frozen=True)
class Setting:
    """Worlds of a scenario with small slots, a policy to evaluate and a length of log."""

    scenario: str
    sharpness: float
    tilted: bool
    impressions: int

    @property
    def said(self) -> str:
        policy = "log tilted" if self.tilted else "softmax"
        return f"`{self.scenario}`, {policy} {self.sharpness:g}, {self.impressions:,}"


SETTINGS = (
    Setting("pairs_sparse", 1.5, False, 3_000),
    Setting("pairs_sparse", 2.5, False, 8_000),
    Setting("pairs_dense", 1.5, False, 4_000),
    Setting("confounded", 1.5, True, 4_000),
    Setting("confounded", 1.0, False, 40_000),
)
HEADER = (
    "world, evaluated policy, impressions",
    "estimator",
    "logs at 400 or more",
    "median effective size",
    "median clicks",
    "empirical likelihood",
    "truth above / below",
    "difference",
    "bootstrap",
    "normal",
)
SLATE_HEADER = ("world", "true value", "pseudo-inverse expects", "log's own rate", "its slot sums only", "expects then")


def configuration(options: Options) -> dict[str, Any]:
    """1,000 logs a setting, `quick`: 200; ten products, 6 x 5 x 4 candidates."""
    return {
        "settings": [vars(setting) for setting in SETTINGS],
        "products": 10,
        "candidates": [6, 5, 4],
        "logs": 200 if options.quick else 1_000,
        "bootstrap_every": 10,
        "slates": ["pairs_sparse", "pairs_dense", "confounded"],
        "slate_products": 20 if options.quick else 200,
        "seeds": 1,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Logs of a setting in chunks, the seed of the world counting up with the chunk; then one unit per slate world."""
    found: list[Row] = []
    for seed in range(1, (num_seeds or config["seeds"]) + 1):
        for number in range(len(config["settings"])):
            for chunk in range(-(-config["logs"] // CHUNK)):
                found.append({"part": COVERAGE, "number": number, "chunk": chunk, "seed": seed})
        found += [{"part": SLATES, "number": at, "chunk": 0, "seed": seed} for at in range(len(config["slates"]))]
    return found


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """A row per log and estimator, or one for a slate world."""
    if unit["part"] == SLATES:
        return [slate_row(config["slates"][unit["number"]], config["slate_products"], unit["seed"])]
    setting = Setting(**config["settings"][unit["number"]])
    scenario = changed_scenario(scenario_named(setting.scenario), config["products"], config["candidates"])
    world_seed = 1_000 * unit["seed"] + unit["chunk"]
    world = enumerated_world(simulate(scenario, 1, world_seed), setting.sharpness, setting.tilted)
    rows: list[Row] = []
    logs = min(CHUNK, config["logs"] - unit["chunk"] * CHUNK)
    for number in range(logs):
        rng = stream(world_seed, "bench ope", unit["number"], number)
        rows += log_rows(world, setting.impressions, rng, number % config["bootstrap_every"] == 0)
        progress("evaluate", {"request": number + 1, "of": logs})
    return [{"log": at // 3, **row} for at, row in enumerate(rows)]


def log_rows(world: EnumeratedWorld, impressions: int, rng: np.random.Generator, bootstrap: bool) -> list[Row]:
    """Draw one log and estimate from it; intervals that an estimator refuses are null."""
    cells, shown, clicks = world.draw(impressions, rng)
    request, reward = np.tile(cells // world.rate.shape[1], 2), np.repeat([0.0, 1.0], len(cells))
    count, cells = np.concatenate([shown - clicks, clicks]), np.tile(cells, 2)
    logged, evaluated, model = (table.ravel()[cells] for table in (world.logged, world.evaluated, world.model))
    terms = {
        "IPS": IPS().terms(logged, evaluated, reward, count),
        "SNIPS": SNIPS().terms(logged, evaluated, reward, count),
        "DR": DoublyRobust().terms(logged, evaluated, reward, model, world.expected[request], count),
    }
    return [
        {"estimator": name, "truth": world.value, "truth_of_log": world.logged_value, "clicks": float(clicks.sum())}
        | _judged(each, reward, bootstrap)
        for name, each in terms.items()
    ]


def _judged(terms: Terms, reward: Floats, bootstrap: bool) -> Row:
    record = EmpiricalLikelihood().update(terms, reward)
    numerator, denominator = terms.sums
    value = numerator / denominator
    size = record.support.effective_size
    row: Row = {"value": value, "effective_size": size, "refused": size < SMALLEST_SIZE}
    intervals: dict[str, Interval | None] = dict.fromkeys(("likelihood", "difference", "bootstrap", "normal"))
    if size >= SMALLEST_SIZE:
        spread = terms.numerator - value * terms.denominator
        width = NORMAL_95 * float(np.sqrt(terms.count @ spread**2)) / denominator
        intervals |= {"likelihood": record.value(), "difference": record.difference()}
        intervals["normal"] = Interval(value - width, value + width)
        if bootstrap:
            numbers = np.arange(len(reward))
            intervals["bootstrap"] = PoissonBootstrap().update(terms, reward, numbers).value()
    for name, interval in intervals.items():
        row |= {f"{name}_low": interval and interval.low, f"{name}_high": interval and interval.high}
    return row


def slate_row(scenario: str, products: int, seed: int) -> Row:
    """Exact expectation of the pseudo-inverse for the oracle, in the world and in one of its slots' sums alone."""
    world = enumerated_world(simulate(changed_scenario(scenario_named(scenario), products, None), 1, seed), inf)
    weight, adding = world.slot_weights(), slot_sums(world)
    return {
        "truth": world.value,
        "truth_of_log": world.logged_value,
        "expected": float((world.logged * weight * world.rate).sum(axis=1).mean()),
        "adding_truth": float((world.evaluated * adding).sum(axis=1).mean()),
        "adding_expected": float((world.logged * weight * adding).sum(axis=1).mean()),
    }


def slot_sums(world: EnumeratedWorld) -> Floats:
    """Rates [request, combination] without interactions: mean plus what each slot's element changes on average."""
    shape = (len(world.rate), *world.sizes)
    rate = world.rate.reshape(shape)
    mean = rate.mean(axis=tuple(range(1, rate.ndim)), keepdims=True)
    total = np.broadcast_to(mean, shape).copy()
    for slot in range(1, rate.ndim):
        others = tuple(axis for axis in range(1, rate.ndim) if axis != slot)
        total += rate.mean(axis=others, keepdims=True) - mean
    return total.reshape(world.rate.shape)


def table(rows: pl.DataFrame, config: Config) -> str:
    """Coverage by setting and estimator, then the slate estimator."""
    lines = []
    for number, setting in enumerate(config["settings"]):
        for name in ("IPS", "SNIPS", "DR"):
            own = rows.filter(
                (pl.col("part") == COVERAGE) & (pl.col("number") == number) & (pl.col("estimator") == name)
            )
            if own.height:
                lines.append(_coverage_line(Setting(**setting).said, name, own))
    slates = rows.filter(pl.col("part") == SLATES).sort("number", "seed")
    columns = ("truth", "expected", "truth_of_log", "adding_truth", "adding_expected")
    slate_lines = [
        [f"`{config['slates'][int(row['number'])]}`", *(f"{row[key]:.4f}" for key in columns)]
        for row in slates.iter_rows(named=True)
    ]
    return (
        "# Off-policy evaluation\n\nShare of logs whose 95% interval holds the true value, where the effective sample "
        "size is 400 or more; below, estimators refuse. In brackets: its standard error. Worlds change every 100 "
        "logs.\n\n"
        f"{markdown_table(HEADER, lines)}\n"
        "The pseudo-inverse on the oracle policy, in exact expectation, and in the same world without interactions.\n\n"
        f"{markdown_table(SLATE_HEADER, slate_lines)}"
    )


def _coverage_line(said: str, name: str, own: pl.DataFrame) -> list[str]:
    kept = own.filter(~pl.col("refused"))
    gain = pl.col("truth") - pl.col("truth_of_log")
    above = kept.select((pl.col("truth") > pl.col("likelihood_high")).mean()).item()
    below = kept.select((pl.col("truth") < pl.col("likelihood_low")).mean()).item()
    sides = "-" if above is None else f"{above:.3f} / {below:.3f}"
    sizes = [float(np.median(own[column].to_numpy())) for column in ("effective_size", "clicks")]
    return [
        said,
        name,
        f"{kept.height:,} of {own.height:,}",
        *(f"{size:,.0f}" for size in sizes),
        _share(kept, "likelihood"),
        sides,
        _share(kept, "difference", gain),
        _share(kept, "bootstrap"),
        _share(kept, "normal"),
    ]


def _share(kept: pl.DataFrame, interval: str, truth: pl.Expr | None = None) -> str:
    """Share of the intervals that hold the truth, with its standard error."""
    low, high = pl.col(f"{interval}_low"), pl.col(f"{interval}_high")
    held = kept.filter(low.is_not_null()).select(
        (truth if truth is not None else pl.col("truth")).is_between(low, high)
    )
    if not held.height:
        return "-"
    share = float(held.to_series().cast(pl.Float64).to_numpy().mean())
    return f"{share:.3f} ({np.sqrt(share * (1 - share) / held.height):.3f})"


SUITE = Suite("ope", ("part", "number", "chunk", "seed"), configuration, units, measure, table)
