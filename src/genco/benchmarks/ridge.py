"""Ridge regression of what sets packages of a group apart, in closed form: the baseline that a reward model must beat.

Target: log of the smoothed click rate. Target and features are centred within the group (by impressions), so that the
group's own level plays no part. The penalty is chosen on groups that are kept out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError

Floats = NDArray[np.float64]
PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)


@dataclass(frozen=True)
class Packages:
    """Rows with their counts. features: [row, feature] · trials, reward: [row] · group: [row] numbers from 0."""

    features: Floats
    trials: Floats
    reward: Floats
    group: NDArray[np.int64]

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Packages:
        return Packages(self.features[rows], self.trials[rows], self.reward[rows], self.group[rows])

    @property
    def weight(self) -> Floats:
        """Impressions over their mean [row]."""
        return np.asarray(self.trials / self.trials.mean())

    def centred(self) -> tuple[Floats, Floats]:
        """Features [row, feature] and target [row], each minus its group's mean by impressions."""
        target = np.log((self.reward + 0.5) / (self.trials + 1.0))
        both = _centred(np.column_stack([self.features, target]), self.trials, self.group)
        return both[:, :-1], both[:, -1]


def fit_ridge(packages: Packages, penalty: float) -> Floats:
    """Coefficients [feature] of the weighted ridge regression."""
    x, y = packages.centred()
    weighted = x * packages.weight[:, None]
    return np.asarray(np.linalg.solve(x.T @ weighted + penalty * np.eye(x.shape[1]), weighted.T @ y))


def chosen_penalty(train: Packages, kept_out: Packages, penalties: Sequence[float] = PENALTIES) -> float:
    """The penalty whose coefficients from `train` have the least weighted squared error on `kept_out`.

    Raises `DataError` where either has no row.
    """
    for name, packages in (("train", train), ("kept_out", kept_out)):
        if not len(packages.trials):
            raise DataError(f"Parameter `{name}` should hold at least one package. Found none.")
    x, y = kept_out.centred()
    errors = [float(kept_out.weight @ (y - x @ fit_ridge(train, penalty)) ** 2) for penalty in penalties]
    return penalties[int(np.argmin(errors))]


def _centred(values: Floats, weight: Floats, group: NDArray[np.int64]) -> Floats:
    """Values [row, column] minus the weighted mean of their group."""
    total = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(total, group, values * weight[:, None])
    mass = np.bincount(group, weights=weight, minlength=len(total))
    return values - (total / np.maximum(mass, 1e-12)[:, None])[group]
