import numpy as np
import pytest

from genco.benchmarks.online.made_up import Effects, catalogue_arms, composite_arms, made_up_rates, unit_logits


def test_a_composite_has_200_combinations() -> None:
    arms = composite_arms()
    assert arms.num_arms == 200 and arms.num_elements == (2, 5, 8, 5) and arms.num_items == 1
    assert (arms.elements[:, 2] // 4 == arms.elements[:, 0]).all()


def test_items_of_a_catalogue_share_elements() -> None:
    arms = catalogue_arms(1, num_items=20)
    assert arms.num_items == 20 and arms.fields.shape == (20, 2)
    sizes = np.diff(arms.first)
    assert sizes.max() <= 90 and sizes.min() >= 18
    np.testing.assert_array_equal(arms.elements, catalogue_arms(1, num_items=20).elements)


@pytest.mark.parametrize("effects", [Effects(-3.0, 0.3, 1.0), Effects(-3.0, 0.3, 0.4, 0.3, 0.2, 0.1)])
def test_spread_and_level_are_as_asked(effects: Effects) -> None:
    arms = catalogue_arms(1, num_items=50)
    unit = unit_logits(arms, effects, 1, "first")
    assert unit.mean() == pytest.approx(0.0, abs=1e-9) and unit.std() == pytest.approx(1.0, abs=0.25)
    rates = made_up_rates(arms, effects, 1)
    assert np.log(rates / (1 - rates)).mean() == pytest.approx(-3.0, abs=0.2)


def test_additive_effects_alone_are_additive() -> None:
    arms = composite_arms()
    unit = unit_logits(arms, Effects(-3.0, 0.3, 1.0), 2, "first").reshape(2, 5, 4, 5)
    np.testing.assert_allclose(unit - unit[:, :1] - unit[:, :, :1] + unit[:, :1, :1], 0.0, atol=1e-12)
