"""Full retraining on what the service logged: the one place of `serving` that trains. Not for the serving process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Engine

from genco.errors import CheckpointError, DataError, GencoError
from genco.evaluation.evaluate import predicted_rows
from genco.evaluation.held_out import HELD_OUT, rows_to_judge_on
from genco.evaluation.held_out_figures import held_out_figures, loss_gain
from genco.policies.optimizer import load
from genco.serving.actor_limits import ActorLimits
from genco.serving.export import export_log
from genco.serving.registry import ModelVersion, served
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.revenue_log import rate_log
from genco.storage.runs import HELD_OUT_FILE, RunFolder

Progress = Callable[[str, dict[str, float]], None]


@dataclass(frozen=True)
class Retrained:
    """path: the run · until: decisions before this time (microseconds) are in it · rows: impressions it was trained
    on · rounded, left_out: as the export says · continued: whether the generator began from the served one, which it
    cannot where the log shows other features, such as fewer values of a context column · joined: rows
    of older data."""

    path: str
    until: int
    rows: int
    rounded: int
    left_out: int
    continued: bool
    joined: int


def retrain(
    engine: Engine,
    out: Path,
    until: int,
    overwrite: bool = False,
    progress: Progress | None = None,
    limits: ActorLimits | None = None,
    older: Dataset | None = None,
) -> Retrained:
    """Export the decisions that settled before `until`, and train on them as the served run was trained, its generator
    as the start where it fits. Writes the run `out`; the served one stays. limits: on decisions of one actor ·
    older: data from before the store, to train on as well.

    Raises `DataError` for a store without a served run or without rows, and as training does.
    """
    from genco.training.config import config_of_run
    from genco.training.train import train

    model = served(engine)
    if model is None:
        raise DataError("The store has never served a run, so there is nothing to train from.")
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".log-") as folder:
        done = export_log(engine, Path(folder) / "data", until, limits=limits, older=older)
        if not done.rows + done.joined:
            raise DataError("No decision that was shown has settled yet, so there is nothing to train on.")
        config = config_of_run(Path(model.path))
        assert config is not None  # what is served is a run
        dataset, continued = open_dataset(Path(folder) / "data"), True
        RunFolder.existing(out, config.to_dict(), dataset.fingerprint(), overwrite=overwrite)
        try:
            run = train(dataset, out, config, start_from=model.path, overwrite=overwrite, progress=progress)
        except CheckpointError:
            continued = False
            run = train(dataset, out, config, overwrite=True, progress=progress)
        _compare(run, dataset, model)
    return Retrained(str(run.path.resolve()), until, done.rows, done.rounded, done.left_out, continued, done.joined)


def _compare(run: RunFolder, dataset: Dataset, model: ModelVersion) -> None:
    """Add to the run's held-out figures how the served version predicts the same rows, which it may have learned from;
    nothing where none were held out, or where it cannot read them."""
    ours = load(run.path)
    dataset = rate_log(dataset, ours.meta.reward)
    split, words = rows_to_judge_on(ours, dataset)
    if words != HELD_OUT:
        return
    try:
        theirs = load(model.path).on(dataset.catalogue, dataset.meta)
        mine, other = (predicted_rows(optimizer, dataset, split) for optimizer in (ours, theirs))
    except GencoError:
        return
    if mine is not None and other is not None:
        against = {
            "version": model.version,
            "log_loss": held_out_figures(other).log_loss,
            **asdict(loss_gain(mine, other)),
        }
        run.write_json(HELD_OUT_FILE, {**run.read_json(HELD_OUT_FILE), "against": against})
