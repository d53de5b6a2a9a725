"""Online play where the world moves: rates that turn at once or slowly, clicks that come late or never."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.online.environment import RateEnvironment
from genco.benchmarks.online.loop import PlayConfig
from genco.benchmarks.online.made_up import Effects, composite_arms, turning_rates
from genco.benchmarks.online.pictures import value_panels
from genco.benchmarks.online.policies import PEERS
from genco.benchmarks.online.runs import play_named
from genco.benchmarks.peer_names import chosen_peers
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite

OURS = ["genco", "genco_half_life"]
BY_DEFAULT = "linear_thompson,vertex_ts,te_greedy,lin_ucb,fm_greedy"
QUICK_PEERS = "vertex_ts"
WORLDS: dict[str, dict[str, Any]] = {
    "steady": {},
    "late": {"batches_late": 5, "lost_clicks": 0.1},
    "abrupt": {"turn": (0.5, 0.5)},
    "gradual": {"turn": (0.25, 0.75)},
    "abrupt and late": {"turn": (0.5, 0.5), "batches_late": 5, "lost_clicks": 0.1},
}
TURN_ANGLE = 90.0
QUICK_WORLDS = ("late", "abrupt")


def configuration(options: Options) -> dict[str, Any]:
    """Five worlds of 200 combinations, 120,000 views, an update every 1,000, 15 runs; `quick`: two worlds, 40,000
    views, one run, one peer.

    turn: shares of all views between which the effects turn by `angle` degrees into independent ones · batches_late:
    updates after which an outcome is told; a click's own delay is exponential, its mean half of that, and a click that
    comes later counts as none · lost_clicks: share of clicks that never come.
    """
    quick = options.quick
    return {
        "worlds": {name: WORLDS[name] for name in (QUICK_WORLDS if quick else WORLDS)},
        "effects": {"level": -3.0, "spread": 0.4, "own": 0.6, "pair": 0.3, "rest": 0.1},
        "angle": TURN_ANGLE,
        "policies": [*OURS, *chosen_peers(options.peers or (QUICK_PEERS if quick else BY_DEFAULT), PEERS)],
        "views": 40_000 if quick else 120_000,
        "update_every": 1_000,
        "seeds": 1 if quick else 15,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Run by run, so that an interrupted suite holds every policy."""
    runs = range(1, (num_seeds or config["seeds"]) + 1)
    return [
        {"world": world, "policy": policy, "run": run}
        for run in runs
        for world in config["worlds"]
        for policy in config["policies"]
    ]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """One run of one policy: a row per checkpoint. Every run draws effects of its own."""
    world, views, every = config["worlds"][unit["world"]], config["views"], config["update_every"]
    arms = composite_arms()
    start, end = (share * views for share in world.get("turn", (1.0, 1.0)))
    rates = turning_rates(arms, Effects(**config["effects"]), unit["run"], start, end, config["angle"])
    late = world.get("batches_late", 0) * every
    play = PlayConfig(
        views,
        every,
        mean_delay=late / 2,
        attribution_window=late,
        lost_clicks=world.get("lost_clicks", 0.0),
    )
    return play_named(unit["policy"], RateEnvironment(arms, rates), play, unit["run"])


def table(rows: pl.DataFrame, config: Config) -> str:
    """A table of policies for each world: all views, the windows before and after the middle, and the last one."""
    views = config["views"]
    moments = {
        "before the middle": views // 2,
        "a sixth of the views later": views // 2 + max(views // 6 // 10_000, 1) * 10_000,
        "last window": views,
    }
    parts = [
        "# Online play under drift\n\n"
        f"{views:,} views, updates every {config['update_every']:,}; normalised value against the best of the moment, "
        "mean (standard deviation) over runs; of all views, and of windows of 10,000 that end where the column says.\n"
    ]
    for world in config["worlds"]:
        own = rows.filter(pl.col("world") == world)
        lines = []
        for policy in config["policies"]:
            mine = own.filter(pl.col("policy") == policy)
            total = mine.filter(pl.col("views") == views)["norm"]
            cells = [mean_and_sd(mine.filter(pl.col("views") == at)["window"]) for at in moments.values()]
            lines.append((float(np.mean(total.to_numpy())), [policy, str(len(total)), mean_and_sd(total), *cells]))
        ranked = [cells for _, cells in sorted(lines, key=lambda line: -line[0])]
        parts.append(f"## {world}\n\n" + markdown_table(["policy", "runs", "all views", *moments], ranked))
    return "\n".join(parts)


def plot(rows: pl.DataFrame, config: Config) -> str:
    """Value of every 10,000 views, a panel a world."""
    return value_panels(rows, "world", config["policies"], "window", "value of the last 10,000 views")


SUITE = Suite("drift", ("world", "policy", "run"), configuration, units, measure, table, plot)
