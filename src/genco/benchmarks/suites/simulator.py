"""Every scenario with a fixed log: ours beside the peers that learn from a log, on the same requests, by the truth.

`genco` is a policy like any other: `--peers none` runs it alone, `--peers a,b` runs a and b alone, so rows of
peers need not be measured again when ours changes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genco.benchmarks.bench_plots import Bar, bars
from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.peer_worlds import REQUESTS_FILE, measure_peer, measure_run, prepare_world
from genco.benchmarks.peers.offline import OFFLINE_PEERS
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite, shared
from genco.simulator.reference import normalised_value
from genco.simulator.scenarios import SCENARIOS

OURS = "genco"
POLICIES = (OURS, *OFFLINE_PEERS)
NAMES = ("pairs_dense", "pairs_sparse", "higher_order", "confounded", "cold", "wide", "jd_card")
QUICK_NAMES = ("pairs_sparse", "cold")


def configuration(options: Options) -> dict[str, Any]:
    """Each scenario's own number of impressions, 400 requests; `quick`: two scenarios of 60,000 and 60 requests."""
    quick = options.quick
    names = QUICK_NAMES if quick else NAMES
    return {
        "impressions": {name: 60_000 if quick else SCENARIOS[name].num_impressions for name in names},
        "products": 200 if quick else None,
        "candidates": None,
        "requests": 60 if quick else 400,
        "training": {"training": {"steps": 50}} if quick else {},
        "seeds": 1 if quick else 3,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """World by world, so that each is simulated once, and seed by seed."""
    seeds = range(1, (num_seeds or config["seeds"]) + 1)
    return [
        {"scenario": name, "seed": seed, "policy": policy}
        for seed in seeds
        for name in config["impressions"]
        for policy in POLICIES
    ]


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Train one policy on the world and judge it, in a process of its own on one thread: a row per request."""
    data = _world(unit, config, shared(scratch), progress)
    if unit["policy"] != OURS:
        asked = {"data": data, "peer": unit["policy"], "seed": unit["seed"]}
        rows: list[Row] = call_apart(measure_peer, asked, progress, threads=1)
        return rows
    asked = {"data": data, "run": str(scratch / "run"), "config": config["training"]}
    ours: list[Row] = call_apart(measure_run, asked, progress, threads=1)
    return ours


def _world(unit: Row, config: Config, folder: Path, progress: Progress) -> str:
    """The unit's world in `folder`, which holds one world at a time."""
    world = folder / f"{unit['scenario']}-{unit['seed']}"
    if not (world / REQUESTS_FILE).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        asked = {"scenario": unit["scenario"], "seed": unit["seed"], "out": str(world)}
        asked |= {"impressions": config["impressions"][unit["scenario"]]}
        asked |= {key: config[key] for key in ("products", "candidates", "requests")}
        call_apart(prepare_world, asked, progress)
    return str(world)


def table(rows: pl.DataFrame, config: Config) -> str:
    """Value, difference from ours on the same requests, training seconds and predictions per second; who wins."""
    worlds = by_world(rows)
    names = [name for name in config["impressions"] if name in worlds["scenario"]]
    seeds = {name: worlds.filter(pl.col("scenario") == name)["seed"].n_unique() for name in names}
    said = (
        f"# Simulator\n\nValue: 0 = uniform play, 1 = the oracle; {config['requests']} requests a world, the same for "
        "every policy; mean (standard deviation) over worlds. In `cold` the products were never logged; in `wide` the "
        "oracle is coordinate ascent on the true logit from 1,000 starts.\n\nWorlds: "
        + ", ".join(f"`{name}` {seeds[name]} of {config['impressions'][name]:,} impressions" for name in names)
        + ".\n"
    )
    parts = [said, "## Value\n", _pivot(worlds, names, "value", 3), _winners(worlds, names)]
    differences = _differences(rows, names)
    if differences:
        parts += ["## Ours minus the peer, paired by request (standard error)\n", differences]
    parts += ["## Processor seconds of training, reading the log included\n"]
    parts += [_pivot(worlds, names, "train_seconds", 1), "## Choices per processor second\n"]
    parts += [_pivot(worlds, names, "per_second", 0)]
    return "\n".join(parts)


def by_world(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per scenario, seed and policy: value, its standard error over requests, processor seconds of training,
    choices per processor second."""
    found = []
    for (scenario, seed, policy), own in rows.group_by("scenario", "seed", "policy", maintain_order=True):
        value, error = normalised_value(*(own[name].to_numpy() for name in ("click_probability", "uniform", "oracle")))
        found.append(
            {
                "scenario": scenario,
                "seed": seed,
                "policy": policy,
                "value": value,
                "error": error,
                "train_seconds": own["train_cpu_seconds"][0],
                "per_second": 1e3 * own.height / own["milliseconds"].to_numpy().sum(),
            }
        )
    return pl.DataFrame(found)


def plot(rows: pl.DataFrame, config: Config) -> str:
    """Value by scenario and policy, best first; whiskers: standard error of the mean over worlds and requests."""
    worlds = by_world(rows)
    groups = []
    for name in (name for name in config["impressions"] if name in worlds["scenario"]):
        means = _means(worlds, name)
        groups.append((name, [Bar(policy, value, error, policy == OURS) for policy, value, error in means]))
    return bars(groups, "normalised value: 0 = uniform play, 1 = oracle")


def _means(worlds: pl.DataFrame, scenario: str) -> list[tuple[str, float, float]]:
    """(policy, mean value over worlds, its standard error from the errors of each), best first."""
    found = []
    for (policy,), own in worlds.filter(pl.col("scenario") == scenario).group_by("policy", maintain_order=True):
        error = float(np.sqrt((own["error"].to_numpy() ** 2).sum()) / own.height)
        found.append((str(policy), float(own["value"].to_numpy().mean()), error))
    return sorted(found, key=lambda each: -each[1])


def _pivot(worlds: pl.DataFrame, names: list[str], column: str, digits: int) -> str:
    lines = []
    for policy in (policy for policy in POLICIES if policy in worlds["policy"]):
        own = worlds.filter(pl.col("policy") == policy)
        cells = [mean_and_sd(own.filter(pl.col("scenario") == name)[column].to_list(), digits) for name in names]
        lines.append([policy, *cells])
    return markdown_table(["policy", *names], lines)


def _winners(worlds: pl.DataFrame, names: list[str]) -> str:
    """Per scenario the best mean value, and who is within two standard errors of it."""
    said = []
    for name in names:
        (best, value, error), *others = _means(worlds, name)
        near = [f"{policy} ({v:.3f})" for policy, v, e in others if v >= value - 2 * np.hypot(error, e)]
        tied = f"; within two standard errors: {', '.join(near)}" if near else ""
        said.append(f"- `{name}`: {best} ({value:.3f}){tied}.")
    return "Highest mean value:\n\n" + "\n".join(said) + "\n"


def _differences(rows: pl.DataFrame, names: list[str]) -> str:
    """Nothing where ours was not run."""
    keys = ["scenario", "seed", "request"]
    ours = rows.filter(pl.col("policy") == OURS).select(*keys, "click_probability")
    paired = rows.filter(pl.col("policy") != OURS).join(ours, on=keys, suffix="_ours")
    lines = []
    for policy in (policy for policy in OFFLINE_PEERS if policy in paired["policy"]):
        cells = []
        for name in names:
            own = paired.filter((pl.col("policy") == policy) & (pl.col("scenario") == name))
            found = [_difference(world) for _, world in own.group_by("seed", maintain_order=True)]
            mean = sum(difference for difference, _ in found) / max(len(found), 1)
            error = sum(error**2 for _, error in found) ** 0.5 / max(len(found), 1)
            cells.append(f"{mean:+.3f} ({error:.3f})" if found else "-")
        lines.append([policy, *cells])
    return markdown_table(["peer", *names], lines) if lines else ""


def _difference(world: pl.DataFrame) -> tuple[float, float]:
    """Difference of the normalised values in one world, and its standard error, paired by request."""
    ours, peer, uniform, oracle = (
        world[name].to_numpy() for name in ("click_probability_ours", "click_probability", "uniform", "oracle")
    )
    return normalised_value(uniform + ours - peer, uniform, oracle)


SUITE = Suite("simulator", ("scenario", "seed", "policy"), configuration, units, measure, table, plot, POLICIES)
