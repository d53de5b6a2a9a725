"""Peers that learn once from a log: what they are given, what they must answer, and their names.

A peer is a function `fit(data, seed)` in a file of its own; what it returns is an `OfflinePeer`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import Catalogue
from genco.data.encoded_log import EncodedLog
from genco.data.features import TextEncoder
from genco.errors import ConfigError, DataError
from genco.rng import stream
from genco.runtime.encoding import EncodedCatalogue, Encoders, encode_log, fit_encoders
from genco.runtime.legal_space import LegalSpace
from genco.storage.dataset import Dataset

Floats = NDArray[np.float32]
Rows = NDArray[np.int32]

# Name -> file in this folder; its `fit` is the peer.
OFFLINE_PEERS = (
    "independent_components",
    "factorisation_machine_beam",
    "mlp_ranker",
    "attention_mil",
    "pointer_likelihood",
    "vw_slates",
)
CONTEXT_SAMPLE = 20_000
KEPT_OUT = 0.05


@dataclass(frozen=True)
class PeerData:
    """A catalogue and a log as every peer reads them; all see the same.

    content: [element + 1, feature] standardised within the component, the last column 1 for an element; the last row,
    all zeros, is the empty element · products: [product, feature] · log, kept_out: rows to learn from and rows to stop
    early on, the empty element = number of elements · at_rates: whether neural peers begin at each product's own rate
    rather than that of all: for logs with many impressions and few rows a product.
    """

    catalogue: Catalogue
    encoders: Encoders
    content: Floats
    products: Floats
    log: EncodedLog
    kept_out: EncodedLog
    at_rates: bool = False

    @property
    def slot_component(self) -> NDArray[np.int64]:
        """Component of each slot [slot]."""
        components = self.catalogue.components
        return np.array([components.index(slot.component) for slot in self.catalogue.slots])

    def element_counts(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Impressions and rewards of every element, the empty one last: [element + 1] each."""
        logs, size = (self.log, self.kept_out), self.log.num_elements + 1
        counted = [
            [
                sum(np.bincount(log.combination[:, slot], values, size) for slot in range(log.combination.shape[1]))
                for values in (log.trials, log.reward)
            ]
            for log in logs
        ]
        trials, reward = (np.asarray(counted[0][i] + counted[1][i], dtype=np.float64) for i in range(2))
        return trials, reward


class OfflinePeer(Protocol):
    """A fitted peer. Equal data and seed give equal answers."""

    def choose(self, product: int, context: Floats, space: LegalSpace) -> Rows:
        """A legal combination for the request, as positions [slot] into `space.candidates`. context: [num_context]."""
        ...


class RowScorer(Protocol):
    """A fitted peer that also says how good any combination is, for ranking within a product and context."""

    def scores(self, product: Rows, context: Floats, combination: Rows) -> Floats:
        """Score [row], higher is better. product: [row] · context: [row, num_context] · combination: element rows
        [row, slot], -1 = empty."""
        ...


Fit = Callable[[PeerData, int], OfflinePeer]


def peer_named(name: str) -> Fit:
    """The function `fit(data, seed)` of the peer. Raises `ConfigError` that lists the known names."""
    if name not in OFFLINE_PEERS:
        raise ConfigError(f"Parameter `peer` must be one of {', '.join(OFFLINE_PEERS)}. Found {name!r}.")
    fit: Fit = import_module(f"genco.benchmarks.peers.{name}").fit
    return fit


def peer_data(
    dataset: Dataset,
    text: TextEncoder | None,
    seed: int,
    max_content: int | None = 64,
    keep: Callable[[ImpressionBatch], NDArray[np.bool_]] | None = None,
    kept_out: NDArray[np.bool_] | None = None,
) -> PeerData:
    """Read a dataset for peers.

    text: encoder of element texts · max_content: content of a component that has more columns is reduced to so many
    principal components, None = never · keep: which rows may be learned from, all by default · kept_out: [product]
    whose rows are kept out, a share `KEPT_OUT` of rows drawn by `seed` by default. Raises `DataError` where no row is
    left.
    """
    encoders, encoded, _ = fit_encoders(dataset.catalogue, dataset.sample(CONTEXT_SAMPLE, seed).context, text)
    left_out = None if keep is None else lambda batch: ~keep(batch)
    log, _ = encode_log(dataset, encoders, dataset.catalogue, left_out)
    log = log.take(log.trials > 0)
    if not len(log):
        raise DataError("A peer needs impressions to learn from. Found 0 rows with num_impressions > 0.")
    out = stream(seed, "peers", "kept out").random(len(log)) < KEPT_OUT if kept_out is None else kept_out[log.product]
    return PeerData(
        dataset.catalogue,
        encoders,
        standardised_content(encoded, max_content),
        encoded.products,
        log.take(~out),
        log.take(out) if out.any() else log.take(slice(0, 1)),
    )


def standardised_content(encoded: EncodedCatalogue, max_content: int | None) -> Floats:
    """Content as `PeerData.content`: each component's own columns side by side from the left."""
    catalogue = encoded.catalogue
    blocks: list[tuple[NDArray[np.intp], Floats]] = []
    for component in range(len(catalogue.components)):
        members = np.flatnonzero(catalogue.element_component == component)
        values = encoded.content[members]
        values = values[:, values.std(axis=0) > 1e-6] if len(members) else values[:, :0]
        centred = values - values.mean(axis=0) if len(members) else values
        if max_content is not None and centred.shape[1] > max_content:
            _, _, directions = np.linalg.svd(centred, full_matrices=False)
            centred = centred @ directions[:max_content].T
            centred = centred / np.sqrt(np.mean(centred**2))
        elif centred.shape[1]:
            centred = centred / centred.std(axis=0)
        blocks.append((members, centred))
    width = max(values.shape[1] for _, values in blocks)
    content = np.zeros((catalogue.num_elements + 1, width + 1), dtype=np.float32)
    for members, values in blocks:
        content[members, : values.shape[1]] = values
        content[members, -1] = 1.0
    return content
