"""Every peer that learns from a log passes the conformance kit; what they read, and how they search, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.kits.offline_peer import check_offline_peer, planted_dataset

from genco.benchmarks.peers.offline import OFFLINE_PEERS, peer_data, peer_named
from genco.data.hashed_text import HashedText
from genco.errors import ConfigError, DataError
from genco.storage.dataset import Dataset

SCORERS = ("factorisation_machine_beam", "mlp_ranker", "attention_mil")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    torch.set_num_threads(1)
    return planted_dataset(tmp_path_factory.mktemp("planted") / "data")


@pytest.mark.parametrize("name", OFFLINE_PEERS)
def test_conformance(name: str, planted: Dataset, card: Dataset, tmp_path: Path) -> None:
    if name == "vw_slates":
        pytest.importorskip("vowpalwabbit")
    check_offline_peer(peer_named(name), planted, card, tmp_path)


@pytest.mark.parametrize("name", SCORERS)
def test_the_choice_is_the_best_by_the_peers_own_scores(name: str, pairs: Dataset) -> None:
    from genco.runtime.legal_space import legal_space

    data = peer_data(pairs, None, 0)
    peer = peer_named(name)(data, 0)
    for product in range(5):
        space, context = legal_space(pairs.catalogue, product), data.log.contexts[product % 3]
        every = space.enumerate(1_000)
        rows = np.stack([space.candidates[c][every[:, c]] for c in range(space.num_slots)], axis=1)
        scores = peer.scores(np.full(len(rows), product), np.tile(context, (len(rows), 1)), rows)
        chosen = int(np.flatnonzero((every == peer.choose(product, context, space)).all(axis=1))[0])
        assert scores[chosen] == pytest.approx(scores.max(), abs=1e-4)


def test_content_is_standardised_within_the_component_and_the_empty_element_is_zero(card: Dataset) -> None:
    data = peer_data(card, HashedText(), 0, max_content=5)
    assert data.content.shape == (card.catalogue.num_elements + 1, 6)
    assert not data.content[-1].any() and (data.content[:-1, -1] == 1).all()
    for component in range(len(card.catalogue.components)):
        own = data.content[:-1][card.catalogue.element_component == component]
        np.testing.assert_allclose(own[:, :-1].mean(axis=0), 0, atol=1e-4)
        assert 0.8 < np.sqrt((own[:, :-1] ** 2).mean()) < 1.2


def test_rows_kept_out_are_not_learned_from_and_counts_hold_both(pairs: Dataset) -> None:
    data = peer_data(pairs, None, 0)
    assert len(data.log) + len(data.kept_out) == pairs.num_rows
    assert 0.04 < len(data.kept_out) / pairs.num_rows < 0.06
    trials, reward = data.element_counts()
    assert trials.sum() == 3 * pairs.num_rows
    assert reward.sum() == 3 * (data.log.reward.sum() + data.kept_out.reward.sum())


def test_only_rows_asked_for_are_read(pairs: Dataset) -> None:
    data = peer_data(pairs, None, 0, keep=lambda batch: batch.product < 4)
    assert set(np.unique(data.log.product)) == {0, 1, 2, 3}
    with pytest.raises(DataError, match="Found 0 rows with num_impressions > 0"):
        peer_data(pairs, None, 0, keep=lambda batch: batch.product < 0)


def test_unknown_name() -> None:
    with pytest.raises(ConfigError, match=r"one of independent_components, .*vw_slates. Found 'magic'"):
        peer_named("magic")
