"""What estimating levels of products and effects of elements takes out of the information of the weights.

A weight is learned from differences between elements. Where a few elements stand for thousands of impressions, their
own effects, not the noise of clicks, limit what they say of content: the mixed model counts elements, not impressions
(a Schur complement per product; Henderson 1975).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_UNITS = 400
Sums = NDArray[np.float64]
Rows = NDArray[np.integer]


@dataclass(frozen=True)
class Units:
    """The level of one product and the elements with effects of their own that its rows show.

    elements: [unit] · cross: [1 + unit, weight] information they share with the weights, the level first · own:
    [1 + unit, 1 + unit] their own · crowded: the product shows more than `MAX_UNITS`, so its level stands alone.
    """

    product: int
    elements: NDArray[np.int64]
    cross: Sums
    own: Sums
    crowded: bool = False

    def __add__(self, other: Units) -> Units:
        """Sums of two parts of one product."""
        elements = np.union1d(self.elements, other.elements)
        if self.crowded or other.crowded or len(elements) > MAX_UNITS:
            cross, own = self.cross[:1] + other.cross[:1], self.own[:1, :1] + other.own[:1, :1]
            return Units(self.product, elements[:0], cross, own, crowded=True)
        cross = np.zeros((1 + len(elements), self.cross.shape[1]))
        own = np.zeros((1 + len(elements), 1 + len(elements)))
        for part in (self, other):
            at = np.append(0, 1 + np.searchsorted(elements, part.elements))
            cross[at] += part.cross
            own[np.ix_(at, at)] += part.own
        return Units(self.product, elements, cross, own)

    def spent(self, product_precision: float, element_precision: Sums) -> Sums:
        """Rows whose outer products sum to the information that estimating the units takes out [1 + unit, weight]."""
        prior = np.append(product_precision, element_precision[self.elements])
        return np.asarray(np.linalg.inv(np.linalg.cholesky(self.own + np.diag(prior))) @ self.cross)

    def directions(self, score: Sums, effect: Sums) -> tuple[Sums, Sums]:
        """Independent directions of the effects, the level taken out: their scores at no effect, and information.

        score: [element + 1] derivatives of the log-likelihood at `effect` [element + 1].
        """
        level = self.own[0, 1:]
        information = self.own[1:, 1:] - np.outer(level, level) / max(self.own[0, 0], 1e-12)
        values, vectors = np.linalg.eigh((information + information.T) / 2)
        at_none = score[self.elements] + information @ effect[self.elements]
        told = values > 1e-6 * max(float(values.max(initial=0.0)), 1e-6)
        return (vectors.T @ at_none)[told], values[told]


class UnitSums:
    """Gathers `Units` from rows sorted by product. own_effect: [element + 1] whether an element has an effect of its
    own; in a product that shows more than `MAX_UNITS` of them none has."""

    def __init__(self, own_effect: NDArray[np.bool_]) -> None:
        self._own_effect = own_effect
        self._column = np.zeros(len(own_effect), dtype=np.int64)
        self._open: Units | None = None

    def add(
        self, product: Rows, combination: Rows, features: NDArray[np.floating], weight: NDArray[np.floating]
    ) -> Iterator[Units]:
        """Products that are complete. product [row], combination [row, slot], features [row, weight], weight [row]."""
        edges = np.flatnonzero(np.diff(product, prepend=-1))
        for start, stop in zip(edges, [*edges[1:], len(product)], strict=True):
            part = slice(start, stop)
            found = self._sums(int(product[start]), combination[part], features[part], weight[part])
            if self._open is not None and self._open.product == found.product:
                self._open = self._open + found
                continue
            yield from self.rest()
            self._open = found

    def rest(self) -> Iterator[Units]:
        """The last product."""
        found, self._open = self._open, None
        if found is not None:
            yield found

    def _sums(
        self, product: int, combination: Rows, features: NDArray[np.floating], weight: NDArray[np.floating]
    ) -> Units:
        elements = np.unique(combination)
        elements = elements[self._own_effect[elements]]
        crowded = len(elements) > MAX_UNITS
        if crowded:
            elements, combination = elements[:0], combination[:, :0]
        shown = np.zeros((len(weight), 2 + len(elements)))  # the last column gathers what has no effect of its own
        self._column[elements] = 1 + np.arange(len(elements))
        for slot in range(combination.shape[1]):
            own = self._own_effect[combination[:, slot]]
            shown[np.arange(len(weight)), np.where(own, self._column[combination[:, slot]], -1)] += 1.0
        shown = shown[:, :-1]
        shown[:, 0] = 1.0
        weighted = (shown * weight[:, None]).T
        cross = np.asarray(weighted.astype(features.dtype) @ features, dtype=np.float64)
        return Units(product, elements.astype(np.int64), cross, weighted @ shown, crowded)
