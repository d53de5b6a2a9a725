"""The simulator's scenarios with default training: what each part of the method reaches, by the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import evaluate_world, simulate_world, train_world
from genco.simulator.scenarios import SCENARIOS

NAMES = ("pairs_sparse", "pairs_dense", "higher_order", "confounded", "cold")
# Column of the table -> key, or key over key; digits.
COLUMNS: dict[str, tuple[str, str | None, int]] = {
    "argmax / ceiling": ("value.reward_model_argmax", "value.content_ceiling", 3),
    "top 1 / argmax": ("value.generator_top1", "value.reward_model_argmax", 3),
    "refined / argmax": ("value.refined", "value.reward_model_argmax", 3),
    "best of 16": ("diversity.best_of_16", None, 3),
    "served": ("value.served", None, 3),
    "independent": ("value.independent_components", None, 3),
    "attribution / ceiling": ("attribution.spearman", "attribution.spearman_ceiling", 3),
    "coverage 95%": ("attribution.coverage_95", None, 3),
    "ECE": ("calibration.ece", None, 4),
    "ECE chosen": ("calibration.ece_chosen", None, 4),
    "impressions/s": ("train.impressions_per_second", None, 0),
    "seconds": ("train.seconds", None, 0),
    "peak MiB": ("train.peak_rss_mib", None, 0),
}


def configuration(options: Options) -> dict[str, Any]:
    """Each scenario's own number of impressions, 400 requests; `quick`: 100,000, 60 requests and 50 steps."""
    quick = options.quick
    return {
        "impressions": {name: 100_000 if quick else SCENARIOS[name].num_impressions for name in NAMES},
        "products": None,
        "requests": 60 if quick else 400,
        "training": {"training": {"steps": 50}} if quick else {},
        "seeds": 1 if quick else 3,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Seed by seed, so that an interrupted run holds every scenario."""
    seeds = range(1, (num_seeds or config["seeds"]) + 1)
    return [{"scenario": name, "seed": seed} for seed in seeds for name in config["impressions"]]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Simulate, train and evaluate, each in a process of its own."""
    data, run = str(scratch / "world"), str(scratch / "run")
    num = config["impressions"][unit["scenario"]]
    world = {"scenario": unit["scenario"], "impressions": num, "seed": unit["seed"], "out": data}
    world["products"] = config["products"]
    call_apart(simulate_world, world, progress)
    call_apart(train_world, {"data": data, "out": run, "config": config["training"]}, progress)
    asked = {"run": run, "data": data, "requests": config["requests"], "seed": unit["seed"]}
    return [{"impressions": num, **call_apart(evaluate_world, asked, progress)}]


def table(rows: pl.DataFrame, config: Config) -> str:
    """One line a scenario: mean and standard deviation over seeds."""
    lines = []
    for name in config["impressions"]:
        own = rows.filter(pl.col("scenario") == name).to_dicts()
        cells = [mean_and_sd([_figure(row, *column[:2]) for row in own], column[2]) for column in COLUMNS.values()]
        lines.append([name, f"{config['impressions'][name]:,}", str(len(own)), *cells])
    title = (
        f"# Scenarios\n\nMean (standard deviation) over seeds; values over {config['requests']} requests a seed.\n\n"
    )
    return title + markdown_table(["scenario", "impressions", "seeds", *COLUMNS], lines)


def _figure(row: Row, key: str, over: str | None) -> float | None:
    value, base = row.get(key), 1.0 if over is None else row.get(over)
    return None if value is None or not base else float(value) / float(base)


SUITE = Suite("scenarios", ("scenario", "seed"), configuration, units, measure, table)
