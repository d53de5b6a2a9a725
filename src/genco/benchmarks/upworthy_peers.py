"""Peers of the suite `upworthy`: what others would fit on the same embeddings to order packages of tests never seen.

Every setting is chosen like ridge's penalty: by weighted squared error of the centred log rate on tests kept out; then
the peer learns from all tests it may see.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genco.benchmarks.peers.factorisation_machine_beam import fit as fit_machine
from genco.benchmarks.peers.mlp_ranker import fit as fit_mlp
from genco.benchmarks.peers.offline import PeerData, RowScorer, peer_data
from genco.benchmarks.ridge import Floats, Packages, chosen_penalty, fit_ridge
from genco.data.catalogue import Catalogue
from genco.data.features import TextEncoder
from genco.storage.dataset import Dataset

PEERS = ("ridge", "factorisation_machine", "mlp", "vw")
NEURAL_SETTINGS = ((4, 0.001), (12, 0.001), (40, 0.001), (40, 0.0003), (12, 0.003), (40, 0.003))  # epochs, step size
VW_SETTINGS = ((1, 0.001), (1, 0.01), (1, 0.1), (10, 0.001), (10, 0.01), (10, 0.1))  # passes, learning rate
Fit = Callable[[PeerData, int, int, float], RowScorer]
Scores = dict[str, tuple[Floats, str]]


def linear_scores(learned: Packages, validation: NDArray[np.bool_], judged: Packages) -> Scores:
    """Ridge in closed form, and VowpalWabbit's squared loss on the same centred target; see `peer_scores`."""
    known, kept_out = learned.take(~validation), learned.take(validation)
    penalty = chosen_penalty(known, kept_out)
    x, y = kept_out.centred()
    errors = [float(kept_out.weight @ (y - _vw(known, x, *each)) ** 2) for each in VW_SETTINGS]
    passes, rate = VW_SETTINGS[int(np.argmin(errors))]
    return {
        "ridge": (judged.features @ fit_ridge(learned, penalty), f"penalty {penalty:g}"),
        "vw": (_vw(learned, judged.features, passes, rate), f"{passes} passes at {rate:g}"),
    }


def neural_scores(
    dataset: Dataset,
    text: TextEncoder,
    learned: NDArray[np.bool_],
    validation: NDArray[np.bool_],
    judged: tuple[NDArray[np.int32], NDArray[np.int32]],
) -> Scores:
    """Factorisation machine and MLP by maximum likelihood of clicks, each beginning at every test's own rate.

    dataset: all tests · learned, validation: [product] tests to learn from, and those of them kept out for settings ·
    judged: product [row] and combination [row, slot] to score. Returns score [row], higher is better, and what was
    chosen, by name.
    """
    data = replace(peer_data(dataset, text, 0, None, lambda batch: learned[batch.product], validation), at_rates=True)
    whole = peer_data(dataset, text, 0, None, lambda batch: learned[batch.product], np.zeros_like(learned))
    whole = replace(whole, kept_out=whole.log, at_rates=True)
    found: Scores = {}
    fits: tuple[tuple[str, Fit], ...] = (("factorisation_machine", fit_machine), ("mlp", fit_mlp))
    for name, fit in fits:
        errors = [_error(fit(data, 0, *each), data) for each in NEURAL_SETTINGS]
        epochs, rate = NEURAL_SETTINGS[int(np.argmin(errors))]
        scores = _scores(fit(whole, 0, epochs, rate), whole, *judged)
        found[name] = scores, f"{epochs} epochs at {rate:g}"
    return found


def rows_in(catalogue: Catalogue, other: Catalogue, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Element rows of `other` as rows of `catalogue`, -1 = empty in both."""
    ids = other.elements["element_id"].to_list()
    table = np.array([*(catalogue.element_rows[name] for name in ids), -1], dtype=np.int32)
    return table[rows]


def _scores(
    peer: RowScorer, data: PeerData, product: NDArray[np.int32], combination: NDArray[np.int32]
) -> NDArray[np.float64]:
    context = np.zeros((len(product), data.log.contexts.shape[1]), dtype=np.float32)
    return np.asarray(peer.scores(product, context, combination), dtype=np.float64)


def _error(peer: RowScorer, data: PeerData) -> float:
    """Weighted squared error of the score on the rows kept out, both centred within the test."""
    log = data.kept_out
    scores = _scores(peer, data, log.product, log.combination)
    trials, reward = log.trials.astype(np.float64), log.reward.astype(np.float64)
    x, y = Packages(scores[:, None], trials, reward, log.product.astype(np.int64)).centred()
    return float(trials @ (y - x[:, 0]) ** 2)


def _vw(learned: Packages, features: Floats, passes: int, learning_rate: float) -> Floats:
    """Predictions [row] for `features` of VowpalWabbit's linear regression on the centred rows of `learned`."""
    from vowpalwabbit import Workspace

    x, y = learned.centred()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "packages.txt"
        order = np.random.default_rng(0).permutation(len(y))
        rows = (f"{y[i]:.5g} {learned.weight[i]:.5g} {_line(x[i])}\n" for i in order)
        with file.open("w", encoding="ascii") as written:
            written.writelines(rows)
        options = f"--quiet --noconstant -b 18 -l {learning_rate} -d {file} --passes {passes} --holdout_off"
        fitted = Workspace(f"{options} --cache_file {file}.cache")
        fitted.save(f"{file}.model")
        fitted.finish()
        answering = Workspace(f"--quiet -t -i {file}.model")
    predicted = np.array([float(answering.predict(_line(row))) for row in features])
    answering.finish()
    return predicted


def _line(row: Sequence[float] | Floats) -> str:
    return "|h " + " ".join(f"{i}:{value:.4g}" for i, value in enumerate(row))
