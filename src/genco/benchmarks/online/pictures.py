"""Curves of reward over views, a panel for every table or world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from genco.benchmarks.bench_plots import Curve, curves

OURS = "genco"


def value_panels(rows: pl.DataFrame, panel: str, policies: Sequence[str], column: str, y_name: str) -> str:
    """Mean of `column` over runs by views, a panel for every value of the column `panel`, in order of appearance;
    spread: standard error of the mean."""
    drawn = []
    for name in rows[panel].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col(panel) == name)
        known = [policy for policy in policies if policy in own["policy"]]
        drawn.append((str(name), [_curve(own.filter(pl.col("policy") == policy), policy, column) for policy in known]))
    return curves(drawn, "views", f"{y_name}; mean over runs, spread: standard error")


def _curve(rows: pl.DataFrame, policy: str, column: str) -> Curve:
    runs = [
        rows.filter(pl.col("run") == run).sort("views") for run in rows["run"].unique(maintain_order=True).to_list()
    ]
    values = np.stack([run[column].to_numpy() for run in runs])
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    return Curve(
        policy,
        runs[0]["views"].to_list(),
        values.mean(axis=0).tolist(),
        None if error is None else error.tolist(),
        ours=policy == OURS,
    )
