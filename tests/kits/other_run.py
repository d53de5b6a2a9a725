"""A second run for tests of several models: the first one with its weights scaled."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from genco.runtime.model_arrays import reward_model_arrays, reward_model_from
from genco.storage.runs import RunFolder


def other_run(run: Path, out: Path, scale: float) -> Path:
    """A copy of the run whose weights are `scale` times as large; negative: it prefers what the first one avoids."""
    folder = RunFolder.open(shutil.copytree(run, out))
    model = reward_model_from(*folder.load_arrays("reward_model"))
    changed = replace(model, theta=(scale * model.theta).astype(np.float32))
    folder.save_arrays("reward_model", *reward_model_arrays(changed))
    return out
