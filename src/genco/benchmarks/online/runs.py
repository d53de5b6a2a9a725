"""Runs of named policies, and what is said of them: rows per checkpoint, means and spread."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import polars as pl

from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.online.environment import RateEnvironment
from genco.benchmarks.online.loop import PlayConfig, play
from genco.benchmarks.online.policies import POLICIES
from genco.benchmarks.suite import Row


def play_named(name: str, environment: RateEnvironment, config: PlayConfig, run: int) -> list[Row]:
    """One run of the policy of that name: views, cumulative and windowed value of every checkpoint, seconds in all."""
    started = time.perf_counter()
    checkpoints = play(POLICIES[name](environment.arms, run), environment, config, run)
    seconds = time.perf_counter() - started
    return [{"views": c.views, "norm": c.cumulative, "window": c.window, "seconds": seconds} for c in checkpoints]


def policy_summary(rows: pl.DataFrame, policies: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """By policy: `norm_at_<views>`, the mean over runs, and `norm_at_<views>_sd` (None for one run)."""
    found: dict[str, dict[str, float | None]] = {}
    for name in policies:
        found[name] = {}
        own = rows.filter(pl.col("policy") == name).sort("views")
        for (views,), part in own.group_by("views", maintain_order=True):
            norm = part["norm"].to_numpy()
            key = f"norm_at_{int(float(str(views)))}"
            found[name][key] = float(norm.mean())
            found[name][f"{key}_sd"] = float(norm.std(ddof=1)) if len(norm) > 1 else None
    return found


def summary_table(rows: pl.DataFrame, policies: Sequence[str]) -> str:
    """One line a policy, best first: value after a fifth of the views and after all, value of the last window, cost."""
    last = float(np.max(rows["views"].to_numpy()))
    early = _nearest(rows, last / 5)
    lines = []
    for name in policies:
        own = rows.filter(pl.col("policy") == name)
        end = own.filter(pl.col("views") == last)
        cells = [mean_and_sd(own.filter(pl.col("views") == early)["norm"]), mean_and_sd(end["norm"])]
        cells += [mean_and_sd(end["window"]), f"{end['seconds'].to_numpy().mean() * 1e5 / last:.1f}"]
        lines.append((float(end["norm"].to_numpy().mean()), [name, str(end.height), *cells]))
    header = ["policy", "runs", f"at {early:,.0f}", f"at {last:,.0f}", "last window", "s per 100,000 views"]
    return markdown_table(header, [cells for _, cells in sorted(lines, key=lambda line: -line[0])])


def _nearest(rows: pl.DataFrame, views: float) -> float:
    known = np.unique(rows["views"].to_numpy())
    return float(known[np.abs(known - views).argmin()])
