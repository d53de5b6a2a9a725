import itertools

import numpy as np
from scipy.optimize import check_grad
from scipy.sparse import csr_array

from genco.benchmarks.peers.factorisation_machine import FactorisationMachine


def test_logit_by_hand() -> None:
    """bias 1, weights (2, 3, 5), factors (1, 1), (2, 0), (0, 4): features 0 and 1 add 2 + 3 + 1 * 2 + 1 * 0."""
    model = FactorisationMachine(3, np.random.default_rng(0), dimension=2)
    model._parameters = np.array([1.0, 2, 3, 5, 1, 1, 2, 0, 0, 4])
    logit = model.logit(csr_array(np.array([[1.0, 1, 0], [1, 0, 1], [0, 0, 0]])))
    np.testing.assert_allclose(logit, [1 + 5 + 2, 1 + 7 + 4, 1])


def test_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    features = csr_array((rng.random((12, 5)) < 0.5).astype(float))
    model = FactorisationMachine(5, rng, dimension=3, penalty=0.7)
    views = rng.integers(1, 30, 12).astype(float)
    data = (features, features.T.tocsr(), views, np.floor(views * rng.random(12)))
    at = 0.3 * rng.standard_normal(1 + 5 + 15)
    assert check_grad(lambda p: model.loss(p, *data)[0], lambda p: model.loss(p, *data)[1], at) < 1e-4


def test_finds_an_interaction_that_weights_cannot_hold() -> None:
    """Clicks come where both elements are equal: no element is better than another by itself."""
    arms = np.array(list(itertools.product(range(2), range(2))))
    features = csr_array(np.hstack([np.eye(2)[arms[:, 0]], np.eye(2)[arms[:, 1]]]))
    model = FactorisationMachine(4, np.random.default_rng(0), penalty=0.1)
    model.fit(features, np.full(4, 1000.0), np.array([300.0, 50, 50, 300]), steps=200)
    np.testing.assert_allclose(1 / (1 + np.exp(-model.logit(features))), [0.3, 0.05, 0.05, 0.3], atol=0.01)
