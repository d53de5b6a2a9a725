"""Full retraining on what the service logged: the one place of `serving` that trains. Not for the serving process."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from genco.errors import CheckpointError, DataError
from genco.serving.actor_limits import ActorLimits
from genco.serving.export import export_log
from genco.serving.registry import served
from genco.storage.dataset import Dataset, open_dataset
from genco.storage.runs import RunFolder

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
    return Retrained(str(run.path.resolve()), until, done.rows, done.rounded, done.left_out, continued, done.joined)
