"""Noise of learned directions: a slope by hand, the prior where nothing was seen, and less of it with more rows."""

from __future__ import annotations

import numpy as np
import pytest

from genco.data.encoded_log import EncodedLog
from genco.models.additive import AdditiveModel, ContentTables
from genco.runtime.terms import TermLayout
from genco.training.reading_noise import _slopes, reading_noise

LAYOUT = TermLayout(
    slot_component=(0, 1),
    component_names=("title", "highlight"),
    component_kind=(0, 0),
    own_rank=(2, 2),
    pair_rank=(1, 1),
    optional=(False, False),
    num_context=0,
)
LATENTS = np.array([[2, 1], [-2, 1], [5, 7], [-5, 7], [0, 0]], dtype=np.float32)
POOLS = np.arange(4, dtype=np.int32)
TABLES = ContentTables(
    LATENTS, np.array([[[0, 1], [0, 7]]], np.float32), np.zeros((1, 2), np.float32), POOLS, POOLS // 2
)


def log_of(num: int) -> EncodedLog:
    """Every combination of two titles and two highlights of one product, `num` times."""
    shown = np.tile(np.array([[0, 2], [0, 3], [1, 2], [1, 3]], dtype=np.int32), (num, 1))
    zeros = np.zeros(len(shown), np.int32)
    ones = np.ones(len(shown), np.float32)
    return EncodedLog(shown, zeros, ones, 0 * ones, zeros[:1], zeros[:1], np.zeros((1, 0), np.float32), 4, 1)


def noise_of(num: int, pair: float, length: float = 0.5) -> float:
    """Of the one direction that pairs of weight `pair` read."""
    model = AdditiveModel(LAYOUT, TABLES, log_of(num), np.array([0, 0, 0, 0, pair]))
    lengths = {0: np.array([length], np.float32)}
    return float(reading_noise(model, TABLES, np.zeros(1), lengths, seed=0)[0][0])


def test_slopes_by_hand() -> None:
    """Title (2, 1) and highlight (5, 7) meet with weight 3: 3 x (2 x 5 + 5 x 2) and 3 x (1 x 5 + 7 x 2)."""
    slopes = _slopes(LAYOUT, LAYOUT.effective(np.array([0, 0, 0, 0, 3.0])), TABLES, log_of(1), 0, 2, 1)
    np.testing.assert_allclose(slopes[0, :, 0].numpy(), [60, 57])


def test_without_pair_effects_it_is_that_of_the_prior() -> None:
    """Precision 2 x 0.25 a dimension; latents against their pools are 2 and 5 long along the first, 0 along the
    second."""
    assert noise_of(10, pair=0.0) == pytest.approx((2**2 + 5**2) / 2 / 0.5)


def test_more_rows_tell_more() -> None:
    few, many = noise_of(10, pair=0.02), noise_of(1_000, pair=0.02)
    assert 0 < many < few < noise_of(10, pair=0.0)


def test_nothing_learned_has_no_noise() -> None:
    model = AdditiveModel(LAYOUT, TABLES, log_of(1), np.zeros(5))
    assert reading_noise(model, TABLES, np.zeros(1), {}, seed=0) == {}
