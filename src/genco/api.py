"""The verbs, as functions: what `genco.train` and the command line call. Paths or opened objects, as you like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genco.policies.optimizer import Optimizer, load
from genco.storage.catalogue_checks import ELEMENTS_FILE
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.validate import validate_dataset
from genco.storage.violation import Violation

if TYPE_CHECKING:
    from genco.training.config import TrainConfig

__all__ = ["evaluate", "load", "open_dataset", "policy_value", "products_left_out", "simulate", "train", "validate"]

Progress = Callable[[str, dict[str, float]], None]


def simulate(
    scenario: str,
    out: str | Path,
    num_impressions: int | None = None,
    seed: int = 0,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Dataset:
    """Draw a world and a log of `num_impressions` (the scenario's own number if None) and write the folder `out`.

    Progress: stage "simulate" with rows, of. Raises `ConfigError` for an unknown scenario, `DataError` if `out` exists.
    """
    from genco.simulator.folder import simulate_to_folder

    def counted(rows: int, of: int) -> None:
        if progress is not None:
            progress("simulate", {"rows": rows, "of": of})

    return open_dataset(simulate_to_folder(scenario, num_impressions, seed, out, counted, overwrite))


def validate(path: str | Path, limit: int = 1000) -> list[Violation]:
    """Everything that is wrong in a dataset folder: file, row, column, rule, value, message. Empty = it is sound.

    Of each kind (column and rule) the first `limit` are listed; where there are more, a last entry without row counts
    them. The log is streamed. Also wrong: a catalogue that leaves no product a legal combination. One that leaves some
    products without is sound: see `products_left_out`.
    """
    found = validate_dataset(path, limit)
    if found:
        return found
    closed, num_products = products_left_out(path), open_dataset(path).catalogue.num_products
    if len(closed) < num_products:
        return []
    message = f"{Path(path)}: a product with a legal combination is expected. Found none of {num_products:,}."
    first = f" The first reason: {closed[0]}" if closed else ""
    return [Violation(str(Path(path) / ELEMENTS_FILE), None, "", "no_legal_combination", "none", message + first)]


def products_left_out(dataset: Dataset | str | Path) -> list[str]:
    """Products that training leaves out as they have no legal combination: one message each, with id and reason.

    The reason is a required slot without approved element, or the rules. Raises `DataError` if the catalogue is broken.
    """
    from genco.runtime.open_products import open_products

    return open_products(_opened(dataset).catalogue)[1]


def train(
    dataset: Dataset | str | Path,
    out: str | Path,
    config: TrainConfig | Mapping[str, Any] | None = None,
    *,
    resume: bool = False,
    start_from: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Optimizer:
    """Train both stages, write the run folder `out` and open it.

    config: a record or nested tables as in TOML; None = the defaults, or what an interrupted run was started with ·
    resume: continue that run to the same bits · start_from: an earlier run whose generator stage 1 begins from.
    Progress: stages "reading" {rows, of}, "reward model" {round}, "generator" {step}. Raises `GencoError`: a message
    with file, row and value; a run is only begun when the data are sound.
    """
    from genco.training.config import TrainConfig, config_from, config_of_run
    from genco.training.train import train as run_training

    if config is None:
        chosen = (config_of_run(Path(out)) if resume else None) or TrainConfig()
    else:
        chosen = config if isinstance(config, TrainConfig) else config_from(config)
    run = run_training(_opened(dataset), out, chosen, resume, start_from, overwrite, progress)
    return load(run.path)


def evaluate(
    run: Optimizer | str | Path,
    dataset: Dataset | str | Path,
    num_requests: int = 400,
    seed: int = 0,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a run: flat dotted keys of value, diversity, attribution, calibration, ranking and training.

    `dataset` may hold products the run never saw. Values need a truth; a figure that cannot be had is None, with
    its reason under the same key and `_reason`. num_requests: drawn with `seed` where a truth is known · keys:
    docs/reference/evaluate-json.md. Progress: stage "evaluate" with request, of. Raises `CheckpointError` for a run
    that cannot be used, `DataError` for broken data, `UnknownIdError` where the slots are not those of the run.
    """
    from genco.evaluation.cold import evaluate_all

    optimizer = run if isinstance(run, Optimizer) else load(run)
    return evaluate_all(optimizer, _opened(dataset), num_requests, seed, progress)


def policy_value(
    run: Optimizer | str | Path,
    dataset: Dataset | str | Path,
    num_rows: int = 100_000,
    seed: int = 0,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What the run's decision policy would earn, by a log with propensities: flat dotted keys, one group per estimator.

    At most `num_rows` rows, sampled with `seed` from those the run was not trained on. Progress: stages "reading" with
    rows, of and "evaluate" with request, of. Raises `SupportError` where the log says too little, `CheckpointError` for
    a run that cannot be used, `DataError` for broken data.
    """
    from genco.evaluation.ope.policy_value import policy_value as evaluate_log

    optimizer = run if isinstance(run, Optimizer) else load(run)
    return evaluate_log(optimizer, _opened(dataset), num_rows, seed, progress)


def _opened(dataset: Dataset | str | Path) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
