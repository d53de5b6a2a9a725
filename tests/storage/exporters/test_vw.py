"""Text for VowpalWabbit: by hand, and read by VowpalWabbit itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from tests.kits.exporter import check_export, check_refusals
from tests.kits.small_dataset import write_small

from genco.storage.dataset import Dataset, open_dataset
from genco.storage.exporters import export_vw
from genco.storage.exporters.vw import _slot_shares, feature, word


def test_by_hand(tmp_path: Path) -> None:
    dataset = open_dataset(write_small(tmp_path / "d"))
    check_export(export_vw, dataset, tmp_path / "log.vw", 6, 30)
    first = (tmp_path / "log.vw").read_text().split("\n\n")[0]
    half = f"{math.sqrt(0.5):.9g}"  # two titles, badge or none: half of the logarithm each
    assert first.splitlines() == [
        "slates shared 0 |c product_id=p1 price:10 segment=new",
        "slates action 0 |i t1 |f length:3 |t red",
        "slates action 0 |i t2 |f length:4 |t blue",
        "slates action 1 |i b1",
        "slates action 1 |i empty",
        f"slates slot 0:{half} |",
        f"slates slot 0:{half} |",
    ]
    check_refusals(export_vw, tmp_path)


def test_slots_share_the_propensity_by_their_size() -> None:
    np.testing.assert_allclose(_slot_shares(1 / 12, [3, 4, 1]), [1 / 3, 1 / 4, 1])  # uniform and independent
    np.testing.assert_allclose(np.prod(_slot_shares(0.2, [3, 4, 1])), 0.2)
    np.testing.assert_allclose(_slot_shares(1.0, [1, 1]), [1, 1])


def test_words_hold_no_sign_of_the_format() -> None:
    assert word("50% off: a|b\n绿") == "50%25%20off%3A%20a%7Cb%0A绿"
    values = (1.5, "x", True, None, float("nan"))
    assert [feature("a b", value) for value in values] == ["a%20b:1.5", "a%20b=x", "a%20b=True", "", ""]


def test_vowpal_wabbit_learns_from_it(pairs: Dataset, tmp_path: Path) -> None:
    """Its own parser takes every example, and the probabilities it reads multiply to the logged propensity."""
    vowpal = pytest.importorskip("vowpalwabbit")
    done = export_vw(pairs, tmp_path / "log.vw")
    examples = (tmp_path / "log.vw").read_text().split("\n\n")[:-1]
    assert len(examples) == done.rows == pairs.num_rows
    clicks = sum(float(batch.reward.sum()) for batch in pairs.batches())
    assert sum(text.startswith("slates shared -1") for text in examples) == clicks
    batch = next(pairs.batches())
    workspace = vowpal.Workspace("--slates --quiet -q ci -b 18 -l 0.01")
    for text, propensity in zip(examples[:2_000], batch.propensity, strict=False):
        parsed = workspace.parse(text)
        labels = [example.get_label(vowpal.LabelType.SLATES) for example in parsed]
        shares = [action.score for label in labels for action in label.probabilities]
        assert len(shares) == 3 and math.prod(shares) == pytest.approx(propensity, rel=1e-5)
        workspace.learn(parsed)
        workspace.finish_example(parsed)
    assert workspace.get_weighted_examples() == 2_000
    ranked = workspace.predict(examples[0])
    assert [len(slot) for slot in ranked] == [5, 5, 4]
    workspace.finish()
