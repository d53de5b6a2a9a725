"""Both stages from a dataset to a run folder, resumable at any moment.

run.toml            configuration, versions, data fingerprint, what was measured
encoders.json       how content, products and contexts become numbers
reward_model.*      stage 2 (safetensors + description)       generator.*   stage 1
elements.parquet    impressions and rewards of every logged element
curves.json         learning curves of both stages
held_out.json       what the rows held out say of it, where any were
value.*             where the reward is revenue: what one event of a product is worth
progress.*          the generator's weights, optimiser and step while training is under way
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from genco.data.splits import Split
from genco.errors import CheckpointError, DataError, GencoError
from genco.evaluation.evaluate import held_out_rows
from genco.evaluation.held_out import HELD_OUT, rows_to_judge_on
from genco.evaluation.held_out_figures import held_out_figures
from genco.models.generator import CombinationGenerator
from genco.policies.optimizer import optimizer_of
from genco.rng import stream
from genco.runtime.legal_space import LegalSpace
from genco.runtime.model_arrays import generator_arrays, generator_from, reward_model_arrays
from genco.runtime.open_products import open_products
from genco.runtime.product_encoding import GeneratorWeights
from genco.runtime.reward_model import BoundRewardModel
from genco.storage.dataset import Dataset
from genco.storage.revenue_log import rate_log
from genco.storage.run_catalogue import keep_catalogue
from genco.storage.runs import HELD_OUT_FILE, RunFolder
from genco.storage.text import text_encoder
from genco.training.config import SplitConfig, TrainConfig
from genco.training.generator_loop import GeneratorTraining
from genco.training.minimum_shares import require_minimum_shares
from genco.training.proposal_tables import proposal_tables, rule_masks
from genco.training.revenue import learn_value
from genco.training.stage_two import StageTwo, fit_stage_two
from genco.training.uncertainty import uncertainty_penalty
from genco.training.warm_start import logged_choices, warm_start
from genco.version import __version__

Progress = Callable[[str, dict[str, float]], None]
CHECKPOINT_EVERY = 25
SHOWN_CLOSED = 5


def train(
    dataset: Dataset,
    out: str | Path,
    config: TrainConfig | None = None,
    resume: bool = False,
    start_from: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Train both stages on `dataset` and write the run folder `out`.

    Where the dataset's reward is revenue, both stages learn the rate of its events; the value of one is kept beside.
    `resume` continues an interrupted run to the same bits; `start_from` begins stage 1 from the generator of an earlier
    run (a new round with more feedback). Raises `CheckpointError` where `out` exists and neither `resume` nor
    `overwrite` is set, `DataError` and the like before anything is written, or with what was written taken back.
    """
    config, progress = config or TrainConfig(), progress or _silent
    started = time.perf_counter()
    identity = Path(out), config.to_dict(), dataset.fingerprint()
    earlier = RunFolder.existing(*identity, resume=resume, overwrite=overwrite)
    if earlier is not None and earlier.finished:
        if not (earlier.path / HELD_OUT_FILE).exists():
            _judge(earlier, rate_log(dataset))
        progress("finished", {"seconds": 0.0})
        return earlier
    _require_generator(start_from, Path(out))
    spaces, closed = open_products(dataset.catalogue)
    if not spaces:
        first = f"The first reason: {closed[0]}" if closed else "It has no products."
        raise DataError(f"No product of the catalogue has a legal combination. {first}")
    require_minimum_shares(config.decision, dataset.catalogue)
    rates = rate_log(dataset)
    split = choose_split(rates, config.split, checked_times(rates))
    value = learn_value(dataset, rates, split)
    run = RunFolder.create(*identity, resume=resume, overwrite=overwrite)
    try:
        if value is not None:
            run.save_arrays("value", *value[0].to_arrays())
        measured = _train_stages(run, rates, config, split, start_from, progress, spaces)
        measured |= {
            "products_without_legal_combination": len(closed),
            "left_out": closed[:SHOWN_CLOSED],
            "seconds": time.perf_counter() - started,
            "peak_rss_mib": peak_rss_mib(),
        }
        run.finish(measured if value is None else {**measured, "value": value[1]})
    except GencoError:
        if earlier is None:
            run.discard()
        raise
    _judge(run, rates)
    return run


def _judge(run: RunFolder, dataset: Dataset) -> None:
    """Keep what the rows held out say of the run, where any were. They also calibrated it (a slope and an intercept),
    and decided whether it keeps learned directions of pairs and a residual."""
    optimizer = optimizer_of(run)
    rows = None
    if rows_to_judge_on(optimizer, dataset)[1] == HELD_OUT:
        rows = held_out_rows(optimizer, dataset)
    if rows is not None:
        run.write_json(HELD_OUT_FILE, asdict(held_out_figures(rows)))


def _train_stages(
    run: RunFolder,
    dataset: Dataset,
    config: TrainConfig,
    split: Split,
    start_from: str | Path | None,
    progress: Progress,
    spaces: dict[int, LegalSpace],
) -> dict[str, Any]:
    """Both stages into `run`; returns what was measured. spaces: by product row, those that have one."""
    text = text_encoder(config.text, run.path.parent / ".genco-text-cache")
    stage_two = fit_stage_two(dataset, split, config.reward_model, text, config.seed, progress)
    _save_stage_two(run, stage_two)
    keep_catalogue(run, dataset.catalogue, dataset.meta)
    bound = bind(stage_two)
    weights, curve = train_generator(run, bound, spaces, stage_two, config, start_from, progress)
    arrays, description = generator_arrays(weights)
    run.save_arrays("generator", arrays, description)
    run.write_json("curves.json", {"reward_model": list(stage_two.curve), "generator": curve})
    return {
        "dataset": dataset.meta.name,
        "genco_version": __version__,
        "torch_version": torch.__version__,
        "split_by": split.by,
        "split_cut": split.cut,
        "impressions_per_second": stage_two.measured["rows_seen"] / max(stage_two.measured["seconds"], 1e-9),
        "reward_model": stage_two.measured,
    }


def _require_generator(start_from: str | Path | None, out: Path) -> None:
    """Raise `CheckpointError` where the run to start from cannot be used, before anything is trained."""
    if start_from is None:
        return
    if Path(start_from).resolve() == out.resolve():
        raise CheckpointError(f"The run to start from should not be the run to write. Found {str(out)!r} for both.")
    RunFolder.open(Path(start_from)).load_arrays("generator")


def bind(stage_two: StageTwo) -> BoundRewardModel:
    """The reward model on the catalogue it was trained with."""
    encoded = stage_two.encoded
    return stage_two.model.bind(encoded.catalogue, encoded.content, encoded.kinds, encoded.products)


def checked_times(dataset: Dataset) -> NDArray[np.int64]:
    """Timestamp of every row [row], read with every row checked, so that a run is only begun on sound data.

    Raises `DataError` naming file, row, column and value, also for an impression_id that occurs twice.
    """
    times = [batch.timestamp for batch in dataset.batches()]
    dataset.require_distinct_ids()
    return np.concatenate(times) if times else np.zeros(0, dtype=np.int64)


def choose_split(dataset: Dataset, config: SplitConfig, times: NDArray[np.int64] | None = None) -> Split:
    """Which rows are held out: what the configuration says, or what the dataset asks for. times: as `checked_times`."""
    by = dataset.meta.split if config.by == "auto" else config.by
    if config.holdout == 0:
        return Split("none", 0.0)
    if by == "product":
        return Split("product", config.holdout)
    times = checked_times(dataset) if times is None else times
    if not len(times) or times.min() == times.max():
        return Split("product", config.holdout)
    return Split("time", float(np.quantile(times, 1 - config.holdout)))


def train_generator(
    run: RunFolder,
    bound: BoundRewardModel,
    spaces: dict[int, LegalSpace],
    stage_two: StageTwo,
    config: TrainConfig,
    start_from: str | Path | None,
    progress: Progress,
) -> tuple[GeneratorWeights, list[dict[str, float]]]:
    """Stage 1 against the reward model on the products that have a legal space; returns weights and learning curve."""
    tables, products = proposal_tables(
        bound, spaces, stage_two.contexts, stage_two.context_share, config.generator, config.seed
    )
    torch.manual_seed(int(stream(config.seed, "generator weights").integers(2**31)))
    generator = CombinationGenerator(
        tables.num_slots, tables.features.shape[-1], stage_two.contexts.shape[1], config.generator
    )
    if start_from is not None:
        _load_generator(generator, RunFolder.open(Path(start_from)))
    mask_of = rule_masks(spaces, products, tables.mask.shape[2])
    if start_from is None and config.training.warm_start_steps:
        choices = logged_choices(stage_two.log, spaces, products, config.seed)
        warm_start(generator, tables, choices, stage_two.contexts, config.training, config.seed, mask_of)
    training = GeneratorTraining(
        generator,
        tables,
        stage_two.contexts,
        stage_two.context_share,
        np.arange(len(products)),
        config.training,
        config.seed,
        mask_of,
        uncertainty_penalty(bound, tables, products, config.training.uncertainty_penalty),
    )
    curve: list[dict[str, float]] = []
    saved = run.load_progress()
    if saved is not None:
        curve = training.restore(*saved)
    for values in training.run(progress):
        curve.append(values)
        if training.step_number % CHECKPOINT_EVERY == 0 and training.step_number < config.training.steps:
            run.save_progress(*training.snapshot(curve))
    arrays = {name: parameter.detach().numpy().copy() for name, parameter in generator.named_parameters()}
    weights = GeneratorWeights(
        arrays=arrays,
        scale=tables.scale,
        temperature=config.generator.temperature,
        max_latents=config.generator.max_latents,
        autoregressive=config.generator.autoregressive,
        credit=config.generator.credit,
    )
    return weights, curve


def _load_generator(generator: CombinationGenerator, run: RunFolder) -> None:
    weights = generator_from(*run.load_arrays("generator"))
    wanted = {name: tuple(parameter.shape) for name, parameter in generator.named_parameters()}
    found = {name: values.shape for name, values in weights.arrays.items()}
    if wanted != found:
        different = next(name for name in wanted if wanted[name] != found.get(name))
        raise CheckpointError(
            f"The generator of {str(run.path)!r} does not fit this data: {different!r} should be "
            f"{wanted[different]}. Found {found.get(different)}."
        )
    generator.load_state_dict({name: torch.from_numpy(values.copy()) for name, values in weights.arrays.items()})


def _save_stage_two(run: RunFolder, stage_two: StageTwo) -> None:
    arrays, description = reward_model_arrays(stage_two.model)
    run.save_arrays("reward_model", arrays, description)
    run.write_json("encoders.json", stage_two.encoders.to_dict())
    run.save_arrays("contexts", {"contexts": stage_two.contexts, "share": stage_two.context_share}, {})
    run.write_table("elements", element_table(stage_two))


def element_table(stage_two: StageTwo) -> pl.DataFrame:
    """Impressions and rewards of every element of the catalogue, by slot component."""
    catalogue = stage_two.encoded.catalogue
    return catalogue.elements.select("element_id", "product_id", "component", "status").with_columns(
        pl.Series("num_impressions", stage_two.element_trials), pl.Series("num_rewards", stage_two.element_reward)
    )


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _silent(stage: str, values: dict[str, Any]) -> None:
    return None
