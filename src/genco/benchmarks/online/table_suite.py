"""What the suites of published tables share: units of work, the table, the figure and the summary by name."""

from __future__ import annotations

from typing import Any

import polars as pl

from genco.benchmarks.online.pictures import value_panels
from genco.benchmarks.online.runs import policy_summary, summary_table
from genco.benchmarks.suite import Config, Row

KEYS = ("table", "policy", "run")


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Run by run, so that an interrupted suite holds every policy."""
    runs = range(1, (num_seeds or config["seeds"]) + 1)
    return [
        {"table": table, "policy": policy, "run": run}
        for run in runs
        for table in config["tables"]
        for policy in config["policies"]
    ]


def table(rows: pl.DataFrame, config: Config) -> str:
    """A table of policies for each table of rates."""
    every = f"updates every {config['update_every']:,} views"
    said = f"Normalised value over all views so far: mean (standard deviation) over runs; {every}."
    parts = []
    for name in config["tables"]:
        own = rows.filter(pl.col("table") == name)
        parts.append(f"## {name}\n\n{summary_table(own, config['policies'])}")
    return f"# Online play\n\n{said}\n\n" + "\n".join(parts)


def plot(rows: pl.DataFrame, config: Config) -> str:
    """Cumulative value over views, a panel a table."""
    return value_panels(rows, "table", config["policies"], "norm", "value of all views so far")


def summary(rows: pl.DataFrame, config: Config) -> dict[str, Any]:
    """By policy `norm_at_10000` and so on; where several tables were played, by table, then policy."""
    found = {
        name: policy_summary(rows.filter(pl.col("table") == name), config["policies"]) for name in config["tables"]
    }
    return found if len(found) > 1 else next(iter(found.values()))
