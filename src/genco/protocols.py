"""What a room may ask of another room's objects, without knowing their class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from genco.types import LogitTables

Rows = NDArray[np.int32]
Floats = NDArray[np.float64]


@runtime_checkable
class Truth(Protocol):
    """The true click probability of a simulated or tabulated world. For evaluation only, never for training.

    product: int32 [batch] product rows · context: int32 [batch] indices into `context_values` · combination: int32
    [batch, slot] element rows, -1 = empty · candidates: element rows of each slot, -1 = empty. Effects are in logits.
    `content=True` asks for what content alone can tell; only truths with `has_content` answer it.
    """

    @property
    def context_name(self) -> str | None:
        """Name of the context column that matters, or None."""
        ...

    @property
    def context_values(self) -> tuple[str, ...]:
        """Values of that column, `("",)` where there is none."""
        ...

    @property
    def has_content(self) -> bool:
        """Whether `content_logit` and `content=True` can be answered."""
        ...

    def logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """True logit [batch] of the click probability."""
        ...

    def content_logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """Logit [batch] with styles inferred from content and the invisible part left out."""
        ...

    def slot_tables(
        self, product: int, context: int, candidates: Sequence[Rows], content: bool = False
    ) -> LogitTables | None:
        """The logit of one request in parts, or None where the truth has no such form."""
        ...

    def enumerate_logits(self, product: int, context: int, candidates: Sequence[Rows], content: bool = False) -> Floats:
        """Logit of every combination of `candidates`, one axis per slot; NaN where the truth has no value."""
        ...

    def shapley(
        self, product: int, context: int, combination: Rows, candidates: Sequence[Rows], content: bool = False
    ) -> Floats:
        """Shapley values, shaped as `combination` ([slot] or [batch, slot]).

        An absent element is averaged over independent uniform elements of `candidates`.
        """
        ...


@runtime_checkable
class OPEEstimator(Protocol):
    """An off-policy estimate as a record of sums. `update` takes the columns the estimator needs, so it is not here."""

    @property
    def value(self) -> float:
        """Expected reward of an impression under the evaluated policy. Raises `SupportError` for an empty log."""
        ...

    def __add__(self, other: Self, /) -> Self:
        """The record of both shards."""
        ...
