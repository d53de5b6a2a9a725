"""Models as named arrays and a JSON description, and back to the same bits."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from tests.kits.reward_model import rows_of, sampled, uplift_of
from tests.kits.small_models import bind_small, small_context, small_generator, small_model

from genco.runtime.legal_space import legal_space
from genco.runtime.model_arrays import generator_arrays, generator_from, reward_model_arrays, reward_model_from
from genco.runtime.reward_model import RewardModel


def through_json(model: RewardModel) -> RewardModel:
    arrays, description = reward_model_arrays(model)
    assert all(array.dtype.kind in "f" for array in arrays.values())
    return reward_model_from(arrays, json.loads(json.dumps(description)))


@pytest.mark.parametrize("residual", [False, True])
def test_reward_model_comes_back(residual: bool) -> None:
    bound = small_model(1, residual=residual)
    again = bind_small(through_json(bound.model), bound.catalogue)
    assert asdict(again.model.layout) == asdict(bound.model.layout)
    assert again.model.appeal.product_effect == pytest.approx(bound.model.appeal.product_effect)
    assert again.model.block_variance == bound.model.block_variance
    assert (again.model.residual is None) == (not residual)
    for product in range(3):
        rows = rows_of(legal_space(bound.catalogue, product), sampled(legal_space(bound.catalogue, product)))
        np.testing.assert_array_equal(
            uplift_of(again, product, rows, small_context()), uplift_of(bound, product, rows, small_context())
        )
    np.testing.assert_array_equal(again.element_var, bound.element_var)


def test_twice_there_and_back_is_the_same() -> None:
    model = through_json(small_model(2, residual=True).model)
    once, twice = reward_model_arrays(model), reward_model_arrays(through_json(model))
    assert once[1] == twice[1]
    assert once[0].keys() == twice[0].keys()
    for name, values in once[0].items():
        np.testing.assert_array_equal(values, twice[0][name])


def test_a_model_without_anything_comes_back() -> None:
    bound = small_model(3, own=False, pair=False, context=False, optional=(False,) * 4, known=())
    bare = replace(bound.model, element_effect={}, element_variance=0.0)
    again = through_json(bare)
    assert again.theta.shape == (0,) and again.element_effect == {} and again.reference_pool == {}
    assert np.isfinite(bind_small(again, bound.catalogue).appeal_base).all()


def test_generator_comes_back() -> None:
    _, weights = small_generator(small_model(1), autoregressive=False)
    arrays, description = generator_arrays(weights)
    assert "arrays" not in description
    again = generator_from(arrays, json.loads(json.dumps(description)))
    assert replace(again, arrays={}) == replace(weights, arrays={})
    assert again.arrays.keys() == weights.arrays.keys()
