"""Second-order factorisation machine with a logistic link, fitted to counts of views and clicks.

Source: Rendle, Factorization Machines, ICDM 2010, equations 1 and 5. Departures: the penalised likelihood of the
counts is maximised by L-BFGS from where the last fit ended, not by stochastic gradient over single views.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

Floats = NDArray[np.float64]


class FactorisationMachine:
    """logit = bias + sum of the weights of active features + sum over pairs of the products of their factors.

    Factors [feature, dimension] start as N(0, 0.1^2), weights [feature] at 0. penalty: of half the sum of squares of
    both; the bias is free.
    """

    def __init__(self, num_features: int, rng: np.random.Generator, dimension: int = 8, penalty: float = 1.0) -> None:
        self._shape, self._penalty = (num_features, dimension), penalty
        factors = 0.1 * rng.standard_normal(self._shape)
        self._parameters = np.concatenate([np.zeros(1 + num_features), factors.ravel()])

    def fit(self, features: csr_array, views: Floats, clicks: Floats, steps: int = 50) -> None:
        """Improve the fit to `clicks` of `views` [row] with features 0 or 1 [row, feature], at most so many steps."""
        if not self._parameters[0]:
            self._parameters[0] = np.log((clicks.sum() + 1.0) / (views.sum() - clicks.sum() + 1.0))
        data = (features, features.T.tocsr(), views, clicks)
        options = {"maxiter": steps}
        found = minimize(self.loss, self._parameters, data, method="L-BFGS-B", jac=True, options=options)
        self._parameters = found.x

    def logit(self, features: csr_array) -> Floats:
        """Log-odds of a click [row]."""
        return self._logit(self._parameters, features)[0]

    def loss(
        self, parameters: Floats, features: csr_array, transposed: csr_array, views: Floats, clicks: Floats
    ) -> tuple[float, Floats]:
        """Penalised negative log-likelihood and its gradient by bias, weights, factors [parameter]."""
        logit, summed = self._logit(parameters, features)
        error = views * expit(logit) - clicks
        by_feature = transposed @ error
        by_factors = transposed @ (error[:, None] * summed) - by_feature[:, None] * self._parts(parameters)[2]
        penalised = np.concatenate([[0.0], parameters[1:]])
        gradient = np.concatenate([[error.sum()], by_feature, by_factors.ravel()]) + self._penalty * penalised
        likelihood = float((views * np.logaddexp(0.0, logit) - clicks * logit).sum())
        return likelihood + 0.5 * self._penalty * float(penalised @ penalised), gradient

    def _logit(self, parameters: Floats, features: csr_array) -> tuple[Floats, Floats]:
        """Log-odds [row] and the sums of the active factors [row, dimension]."""
        bias, weights, factors = self._parts(parameters)
        summed = features @ factors
        return bias + features @ weights + 0.5 * ((summed**2).sum(axis=1) - features @ (factors**2).sum(axis=1)), summed

    def _parts(self, parameters: Floats) -> tuple[float, Floats, Floats]:
        num = self._shape[0]
        return float(parameters[0]), parameters[1 : 1 + num], parameters[1 + num :].reshape(self._shape)
