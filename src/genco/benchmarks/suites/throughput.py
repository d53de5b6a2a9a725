"""Stage 2 against the size of the log: rows per second of its training, and peak memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import simulate_world, train_world

HEADER = ("impressions", "impressions/s", "reward model s", "all s", "peak MiB")


def configuration(options: Options) -> dict[str, Any]:
    """100,000 to 20 million impressions of `pairs_sparse` (4 slots); `quick`: up to 1 million. No step of stage 1."""
    sizes = [100_000, 1_000_000] if options.quick else [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 20_000_000]
    training = {"training": {"steps": 0}}
    return {"scenario": "pairs_sparse", "products": None, "impressions": sizes, "training": training, "seeds": 1}


def units(config: Config, num_seeds: int | None) -> list[Row]:
    seeds = range(1, (num_seeds or config["seeds"]) + 1)
    return [{"impressions": size, "seed": seed} for seed in seeds for size in config["impressions"]]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Simulate in one process, train in another."""
    data = str(scratch / "world")
    world = {"scenario": config["scenario"], "products": config["products"]}
    call_apart(simulate_world, {**world, **unit, "out": data}, progress)
    asked = {"data": data, "out": str(scratch / "run"), "config": config["training"]}
    measured = call_apart(train_world, asked, progress)
    return [
        {
            "impressions_per_second": measured["impressions_per_second"],
            "rows_seen": measured["reward_model"]["rows_seen"],
            "reward_model_seconds": measured["reward_model"]["seconds"],
            "seconds": measured["seconds"],
            "peak_rss_mib": measured["peak_rss_mib"],
        }
    ]


def table(rows: pl.DataFrame, config: Config) -> str:
    """One line a size: mean and standard deviation over seeds."""
    lines = []
    for size in config["impressions"]:
        own = rows.filter(pl.col("impressions") == size)
        figures = (("impressions_per_second", 0), ("reward_model_seconds", 1), ("seconds", 1), ("peak_rss_mib", 0))
        lines.append([f"{size:,}", *(mean_and_sd(own[name], digits) for name, digits in figures)])
    said = (
        "Impressions per second: rows that the reward model's training saw, all passes, per second of it; "
        "`all s` reads the log too."
    )
    return f"# Throughput\n\n{said}\n\n{markdown_table(HEADER, lines)}"


SUITE = Suite("throughput", ("impressions", "seed"), configuration, units, measure, table)
