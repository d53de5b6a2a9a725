"""A contribution is the average attribution: over contexts, and over uniform elements in all other slots."""

from __future__ import annotations

import numpy as np
import pytest
from tests.kits.small_models import small_catalogue, small_context, small_model

from genco.data.catalogue import EMPTY
from genco.evaluation.contributions import contributions
from genco.runtime.attribution import attribute
from genco.runtime.legal_space import legal_space


@pytest.mark.parametrize(("seed", "product"), [(0, 0), (1, 1), (2, 2)])
def test_equals_the_average_attribution(seed: int, product: int) -> None:
    bound = small_model(seed)
    space = legal_space(bound.catalogue, product)
    contexts = [small_context(1), small_context(2)]
    positions = space.enumerate(10_000)
    totals = np.mean([attribute(bound, product, context, space, positions).total for context in contexts], axis=0)
    average = np.mean(contexts, axis=0).astype(np.float32)
    for slot in range(space.num_slots):
        expected = [totals[positions[:, slot] == i, slot].mean() for i in range(space.sizes[slot])]
        found = contributions(bound, product, (slot,), average, space.candidates[slot])
        np.testing.assert_allclose(found.mean, expected, atol=2e-5)
        assert found.mean.mean() == pytest.approx(0.0, abs=2e-5) or product == 2


def test_slots_of_one_component_are_averaged() -> None:
    bound, context = small_model(3), small_context()
    elements = bound.catalogue.pool(0, 2)
    one, other = (contributions(bound, 0, (slot,), context, elements).mean for slot in (2, 4))
    np.testing.assert_allclose(contributions(bound, 0, (2, 4), context, elements).mean, (one + other) / 2, atol=1e-6)


def test_interval_holds_weights_and_what_content_does_not_tell() -> None:
    bound, context = small_model(4), small_context()
    found = contributions(bound, 0, (0,), context, bound.catalogue.pool(0, 0))
    assert (found.deviation**2 > bound.element_var[bound.catalogue.pool(0, 0)]).all()
    np.testing.assert_allclose(found.high - found.low, 2 * 1.959964 * found.deviation)


def test_the_empty_element_and_no_element() -> None:
    bound, context = small_model(5, small_catalogue()), small_context()
    empty = contributions(bound, 0, (3,), context, np.array([EMPTY], dtype=np.int32))
    assert np.isfinite(empty.mean).all() and empty.deviation[0] > 0
    assert len(contributions(bound, 0, (3,), context, np.zeros(0, dtype=np.int32)).mean) == 0
