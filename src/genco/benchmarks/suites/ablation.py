"""Every part of both stages switched off, one at a time; what credit, draws, width and more data are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from genco.benchmarks.ablation_generator import gradient_rows, request_rows
from genco.benchmarks.markdown import markdown_table, mean_and_sd
from genco.benchmarks.own_process import call_apart
from genco.benchmarks.suite import Config, Options, Progress, Row, Suite
from genco.benchmarks.worlds import evaluate_world, simulate_world, train_world
from genco.simulator.reference import normalised_value

AS_BUILT = "as built"
STAGE_TWO: dict[str, dict[str, Any]] = {
    AS_BUILT: {},
    "no own effects": {"own": False, "own_context": False},
    "no pair effects": {"pair": False},
    "no appeal": {"appeal": False},
    "no context in own effects": {"own_context": False},
    "no element effects": {"element_effects": False},
    "no exposure control": {"exposure_control": False},
    "attention residual on": {"residual": "on"},
}
STAGE_ONE: dict[str, dict[str, Any]] = {
    AS_BUILT: {},
    "no reinforcement learning": {"training": {"steps": 0}},
    "no warm start": {"training": {"warm_start_steps": 0}},
    "entropy weight 0.02": {"generator": {"temperature": 0.02}},
    "entropy weight 0.3": {"generator": {"temperature": 0.3}},
    "no KL": {"training": {"kl_weight": 0.0}},
    "no uncertainty penalty": {"training": {"uncertainty_penalty": 0.0}},
    "no MIL credit": {"training": {"credit": False}},
    "not autoregressive": {"generator": {"autoregressive": False}},
    "network alone": {"generator": {"credit": False}},
    "network alone, no reinforcement learning": {"generator": {"credit": False}, "training": {"steps": 0}},
    "network alone, no MIL credit": {"generator": {"credit": False}, "training": {"credit": False}},
}
STAGE_TWO_KEYS = ("value.content_ceiling", "value.reward_model_argmax", "attribution.spearman", "calibration.ece")
STAGE_ONE_KEYS = (
    "value.reward_model_argmax",
    "value.generator_top1",
    "diversity.best_of_16",
    "diversity.distinct_at_16",
    "diversity.mean_hamming",
    "value.refined",
    "value.served",
)


def configuration(options: Options) -> dict[str, Any]:
    """Worlds of 400 products and 400,000 impressions; `quick`: 60 products, 30,000 impressions, three variants."""
    quick = options.quick
    return {
        "products": 60 if quick else 400,
        "impressions": 30_000 if quick else 400_000,
        "scenarios": ["pairs_sparse"] if quick else ["pairs_sparse", "confounded", "higher_order"],
        "stage_two": list(STAGE_TWO)[:3] if quick else list(STAGE_TWO),
        "stage_one": list(STAGE_ONE)[:2] if quick else list(STAGE_ONE),
        "steps": 20 if quick else 150,
        "repetitions": 8 if quick else 48,
        "requests": 20 if quick else 200,
        "widths": [0.0, 0.3, 1.0] if quick else [0.0, 0.1, 0.3, 0.5, 1.0],
        "log_sizes": [10_000, 30_000] if quick else [25_000, 50_000, 100_000, 200_000, 400_000, 800_000],
        "seeds": 1 if quick else 3,
    }


def units(config: Config, num_seeds: int | None) -> list[Row]:
    """Seed by seed: stage 2 by scenario and variant, stage 1 by variant, log sizes, and what is measured on one run."""
    found: list[Row] = []
    for seed in range(1, (num_seeds or config["seeds"]) + 1):
        cells = [("stage 2", scenario, name) for scenario in config["scenarios"] for name in config["stage_two"]]
        cells += [("stage 1", "pairs_sparse", name) for name in config["stage_one"]]
        cells += [("log size", "pairs_sparse", str(size)) for size in config["log_sizes"]]
        cells += [("one run", "pairs_sparse", AS_BUILT)]
        found += [{"study": study, "scenario": s, "cell": cell, "seed": seed} for study, s, cell in cells]
    return found


def measure(unit: Row, config: Config, scratch: Path, progress: Progress) -> list[Row]:
    """Simulate, train and measure, each in a process of its own."""
    data, run = str(scratch / "world"), str(scratch / "run")
    study, cell, seed = unit["study"], unit["cell"], unit["seed"]
    impressions = int(cell) if study == "log size" else config["impressions"]
    world = {"scenario": unit["scenario"], "impressions": impressions, "products": config["products"]}
    call_apart(simulate_world, {**world, "seed": seed, "out": data}, progress)
    training: dict[str, Any] = {"training": {"steps": 0}}
    if study == "stage 2":
        training["reward_model"] = STAGE_TWO[cell]
    elif study == "stage 1":
        changes = STAGE_ONE[cell]
        training = {**changes, "training": {"steps": config["steps"], **changes.get("training", {})}}
    elif study == "one run":
        training = {"training": {"steps": config["steps"]}}
    call_apart(train_world, {"data": data, "out": run, "config": training}, progress)
    asked = {"run": run, "requests": config["requests"], "seed": seed}
    if study == "one run":
        shared = {"steps": config["steps"], "repetitions": config["repetitions"]}
        gradient = call_apart(gradient_rows, {"run": run, "seed": seed, **shared}, progress)
        studies = call_apart(request_rows, {**asked, "data": data, "widths": config["widths"]}, progress)
        rows = {"gradient": gradient, **studies}
        return [{"part": part, **row} for part, own in rows.items() for row in own]
    found = call_apart(evaluate_world, {**asked, "data": data}, progress)
    keys = STAGE_ONE_KEYS if study == "stage 1" else STAGE_TWO_KEYS
    return [{"part": study, "variant": cell, **{key: found[key] for key in keys}}]


def table(rows: pl.DataFrame, config: Config) -> str:
    """One table a study: mean and standard deviation over seeds."""
    parts = [
        "# Ablations\n\n"
        f"Worlds of {config['products']} products and {config['impressions']:,} impressions (`log size`: as said), "
        f"{config['requests']} requests a seed; mean (standard deviation) over seeds. Values: 0 = uniform play, 1 = "
        "the oracle.\n"
    ]
    for scenario in config["scenarios"]:
        own = rows.filter((pl.col("part") == "stage 2") & (pl.col("scenario") == scenario))
        parts.append(f"## Stage 2, parts off: `{scenario}`\n\n{_by_variant(own, STAGE_TWO_KEYS)}")
    parts.append(
        "## Stage 1, parts off, on the same reward models\n\n"
        + _by_variant(rows.filter(pl.col("part") == "stage 1"), STAGE_ONE_KEYS)
    )
    parts.append("## Size of the log\n\n" + _by_variant(rows.filter(pl.col("part") == "log size"), STAGE_TWO_KEYS))
    parts.append(
        "## MIL credit: variance of the gradient, and steps\n\nVariance with credit over variance of the whole reward "
        "charged to every slot, at equal draws; steps until the mean reward is within 2% of the best.\n\n"
        + _gradient(rows.filter(pl.col("part") == "gradient"))
    )
    parts.append("## Draws with and without replacement\n\n" + _drawn(rows.filter(pl.col("part") == "draws"), True))
    parts.append("## Width of exploration, one decision\n\n" + _drawn(rows.filter(pl.col("part") == "width"), False))
    return "\n".join(parts)


def _by_variant(rows: pl.DataFrame, keys: tuple[str, ...]) -> str:
    lines = []
    for name in rows["variant"].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col("variant") == name)
        lines.append([name, str(own.height), *(mean_and_sd(own[key].to_list()) for key in keys)])
    return markdown_table(["variant", "seeds", *(key.split(".")[1] for key in keys)], lines)


def _gradient(rows: pl.DataFrame) -> str:
    measures = rows["measure"].unique(maintain_order=True).to_list()
    lines = []
    for name in rows["variant"].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col("variant") == name)
        cells = [mean_and_sd(own.filter(pl.col("measure") == key)["value"].to_list(), 2) for key in measures]
        lines.append([name, *cells])
    return markdown_table(["generator", *measures], lines)


def _drawn(rows: pl.DataFrame, with_distinct: bool) -> str:
    """Normalised value by variant, over all requests of each seed."""
    lines = []
    for name in rows["variant"].unique(maintain_order=True).to_list():
        own = rows.filter(pl.col("variant") == name)
        values = []
        for seed in sorted(set(own["seed"].to_list())):
            columns = (
                own.filter(pl.col("seed") == seed)[key].to_numpy().astype(np.float64)
                for key in ("value", "uniform", "oracle")
            )
            values.append(normalised_value(*columns)[0])
        distinct = [mean_and_sd(own["distinct"].to_list(), 1)] if with_distinct else []
        lines.append([name, mean_and_sd(values), *distinct])
    return markdown_table(["variant", "value", *(["distinct of 16"] if with_distinct else [])], lines)


SUITE = Suite("ablation", ("study", "scenario", "cell", "seed"), configuration, units, measure, table)
