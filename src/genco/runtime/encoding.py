"""From a dataset to arrays: the encoders a run keeps, a catalogue seen through them, and the encoded log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.data.batch import ImpressionBatch
from genco.data.catalogue import EMPTY, Catalogue
from genco.data.columns import ColumnEncoder
from genco.data.encoded_log import EncodedLog
from genco.data.features import ContextEncoder, TextEncoder, element_content, product_columns, product_features
from genco.runtime.projection import KindProjection, fit_projection, identity_projection
from genco.storage.dataset import Dataset

MAX_IDENTITIES = 128
Floats = NDArray[np.float32]
Rows = NDArray[np.int32]


@dataclass(frozen=True)
class Encoders:
    """How content, products and contexts become numbers; fitted once, kept with the run.

    elements, products: column encoders · context · text: name of the text encoder ("" = none) ·
    identities: element ids that are their own content, by component, for components without content and at most
    `MAX_IDENTITIES` elements · kinds: content kind of each component.
    """

    elements: ColumnEncoder
    products: ColumnEncoder
    context: ContextEncoder
    text: str
    identities: dict[str, tuple[str, ...]]
    kinds: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "elements": self.elements.to_dict(),
            "products": self.products.to_dict(),
            "context": self.context.to_dict(),
            "text": self.text,
            "identities": {name: list(ids) for name, ids in self.identities.items()},
            "kinds": list(self.kinds),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Encoders:
        return cls(
            ColumnEncoder.from_dict(state["elements"]),
            ColumnEncoder.from_dict(state["products"]),
            ContextEncoder.from_dict(state["context"]),
            str(state["text"]),
            {name: tuple(ids) for name, ids in state["identities"].items()},
            tuple(int(kind) for kind in state["kinds"]),
        )


@dataclass(frozen=True)
class EncodedCatalogue:
    """A catalogue as the models read it. content: [element, feature] · kinds: [element] projection of each element,
    -1 = shown by no slot · products: [product, feature]."""

    catalogue: Catalogue
    content: Floats
    kinds: Rows
    products: Floats


def fit_encoders(
    catalogue: Catalogue, context: dict[str, NDArray[np.generic]], text: TextEncoder | None
) -> tuple[Encoders, EncodedCatalogue, tuple[KindProjection, ...]]:
    """Fit encoders on a catalogue and a sample of contexts. Projections are fitted by `fit_projections`."""
    has_text = catalogue.elements["text"].is_not_null().any() if "text" in catalogue.elements.columns else False
    text = text if has_text else None
    table = element_content(catalogue, text)
    kinds: list[int] = []
    identities: dict[str, tuple[str, ...]] = {}
    next_kind = int(table.signature.max(initial=-1)) + 1
    for component, name in enumerate(catalogue.components):
        ids = catalogue.elements["element_id"].filter(catalogue.elements["component"] == name)
        if table.filled[component].any() or len(ids) > MAX_IDENTITIES:
            kinds.append(int(table.signature[component]))
            continue
        identities[name] = tuple(ids.to_list())
        kinds.append(next_kind)
        next_kind += 1
    encoders = Encoders(
        table.columns,
        product_columns(catalogue),
        ContextEncoder.fit(context),
        "" if text is None else text.name,
        identities,
        tuple(kinds),
    )
    encoded = encode_catalogue(catalogue, encoders, text)
    return encoders, encoded, ()


def encode_catalogue(catalogue: Catalogue, encoders: Encoders, text: TextEncoder | None) -> EncodedCatalogue:
    """See a catalogue through fitted encoders; it may hold products and elements they never saw."""
    table = element_content(catalogue, text if encoders.text else None, encoders.elements)
    parts = [table.features]
    rows = catalogue.element_rows
    for ids in encoders.identities.values():
        block = np.zeros((catalogue.num_elements, len(ids)), dtype=np.float32)
        known = [(rows[element_id], i) for i, element_id in enumerate(ids) if element_id in rows]
        if known:
            block[tuple(np.array(known).T)] = 1.0
        parts.append(block)
    component = catalogue.element_component
    kinds = np.where(component >= 0, np.array([*encoders.kinds, -1], dtype=np.int32)[component], -1).astype(np.int32)
    features, _ = product_features(catalogue, encoders.products)
    return EncodedCatalogue(catalogue, np.concatenate(parts, axis=1), kinds, features)


def fit_projections(encoded: EncodedCatalogue, encoders: Encoders, max_rank: int) -> tuple[KindProjection, ...]:
    """One projection per kind of content, over the columns that kind fills."""
    width = encoded.content.shape[1]
    identity_width = sum(len(ids) for ids in encoders.identities.values())
    start = width - identity_width
    spans = {}
    for name, ids in encoders.identities.items():
        spans[encoders.kinds[encoded.catalogue.components.index(name)]] = (start, start + len(ids))
        start += len(ids)
    projections = []
    for kind in range(max(encoders.kinds, default=-1) + 1):
        members = np.flatnonzero(encoded.kinds == kind)
        if kind in spans:
            first, last = spans[kind]
            projections.append(_embed(identity_projection(last - first), np.arange(first, last), width))
            continue
        content = encoded.content[members]
        columns = np.flatnonzero(content.std(axis=0) > 0) if len(members) else np.zeros(0, dtype=np.int64)
        if not len(columns):
            projections.append(_embed(identity_projection(0), columns, width))
            continue
        projections.append(_embed(fit_projection(content[:, columns], max_rank), columns, width))
    return tuple(projections)


def _embed(projection: KindProjection, columns: NDArray[np.integer], width: int) -> KindProjection:
    """The projection written over all content columns, zero elsewhere."""
    mean = np.zeros(width, dtype=np.float32)
    loading = np.zeros((width, projection.rank), dtype=np.float32)
    mean[columns], loading[columns] = projection.mean, projection.loading
    return KindProjection(mean, loading, projection.eigenvalues, projection.noise, projection.latent_noise)


def encode_log(
    dataset: Dataset,
    encoders: Encoders,
    catalogue: Catalogue,
    held_out: Callable[[ImpressionBatch], NDArray[np.bool_]] | None = None,
    propensity_clip: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> tuple[EncodedLog, EncodedLog]:
    """Read a log batch by batch into flat arrays: the rows to train on, and those `held_out` chooses (mask of a batch).

    Both are parts of the same arrays, so the log is held once. With `propensity_clip` > 0 rows are weighted by
    min(1 / propensity, clip), normalised to mean 1.
    """
    num_rows, num_slots = dataset.num_rows, catalogue.num_slots
    combination = np.empty((num_rows, num_slots), dtype=np.int32)
    group = np.empty(num_rows, dtype=np.int32)
    trials = np.empty(num_rows, dtype=np.float32)
    reward = np.empty(num_rows, dtype=np.float32)
    contexts = _Distinct()
    groups = _Distinct()
    front, back, weight_total = 0, num_rows, 0.0
    for batch in dataset.batches():
        size = len(batch)
        code = contexts.codes(_encode_contexts(encoders, batch.context, size))
        weight = _weights(batch.propensity, propensity_clip)
        weight_total += float(weight.sum())
        columns = (
            (combination, np.where(batch.combination == EMPTY, catalogue.num_elements, batch.combination)),
            (group, groups.codes(np.stack([batch.product, code], axis=1).astype(np.int64))),
            (trials, batch.num_impressions * weight),
            (reward, batch.reward * weight),
        )
        apart = np.zeros(size, dtype=bool) if held_out is None else held_out(batch)
        num_held_out = int(apart.sum())
        for column, values in columns:
            column[front : front + size - num_held_out] = values[~apart]
            column[back - num_held_out : back] = values[apart]
        front, back = front + size - num_held_out, back - num_held_out
        if progress is not None:
            progress(size)
    if propensity_clip > 0 and weight_total > 0:
        trials *= num_rows / weight_total
        reward *= num_rows / weight_total
    pairs = groups.table(2, np.int64)
    log = EncodedLog(
        combination,
        group,
        trials,
        reward,
        pairs[:, 0].astype(np.int32),
        pairs[:, 1].astype(np.int32),
        contexts.table(encoders.context.dim, np.float32),
        catalogue.num_elements,
        catalogue.num_products,
    )
    return log.take(slice(0, front)), log.take(slice(front, num_rows))


def _encode_contexts(encoders: Encoders, raw: dict[str, NDArray[np.generic]], size: int) -> Floats:
    return encoders.context.transform(raw, size)


def _weights(propensity: Floats, clip: float) -> Floats:
    if clip <= 0:
        return np.ones(len(propensity), dtype=np.float32)
    return np.minimum(1.0 / np.where(np.isnan(propensity), 1.0, propensity), clip).astype(np.float32)


class _Distinct:
    """Numbers distinct rows in order of first appearance, batch after batch."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}
        self._rows: list[NDArray[Any]] = []

    def codes(self, rows: NDArray[Any]) -> NDArray[np.int32]:
        rows = np.ascontiguousarray(rows)
        if rows.shape[1] == 0:
            if not self._rows:
                self._index[b""] = 0
                self._rows.append(np.zeros(0))
            return np.zeros(len(rows), dtype=np.int32)
        keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        numbers = np.empty(len(unique), dtype=np.int32)
        for i in np.argsort(first, kind="stable"):
            key = unique[i].tobytes()
            number = self._index.get(key)
            if number is None:
                number = self._index[key] = len(self._rows)
                self._rows.append(rows[first[i]])
            numbers[i] = number
        return numbers[inverse.ravel()]

    def table(self, width: int, dtype: type) -> NDArray[Any]:
        return np.array(self._rows, dtype=dtype).reshape(len(self._rows), width)
