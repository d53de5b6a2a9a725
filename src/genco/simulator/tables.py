"""A world given by a table: one click-through rate per (product, combination), as published tables give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import ConfigError, DataError, UnknownIdError
from genco.simulator.shapley import game, table_shapley
from genco.simulator.world import sigmoid
from genco.types import MAX_ENUMERATED, Floats, LogitTables

Rows = NDArray[np.int32]
SMALLEST_RATE = 1e-9


@dataclass(frozen=True, eq=False)
class TableWorld:
    """Click-through rates of listed combinations. A `genco.protocols.Truth` without content or additive form.

    keys: int32 [row, 1 + slot], product row and element rows (-1 = empty), every row once · rates: [row], in [0, 1].
    Rates of 0 and 1 are read as 1e-9 and 1 - 1e-9, so that logits are finite.
    """

    keys: Rows
    rates: Floats
    context_name: str | None = None
    context_values: tuple[str, ...] = ("",)
    info: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.keys.ndim != 2 or len(self.keys) != len(self.rates):
            raise DataError(f"`keys` must be [row, 1 + slot] for {len(self.rates)} rates. Found {self.keys.shape}.")
        if not len(self.rates):
            raise DataError("A table of rates must list at least one combination. Found none.")
        wrong = ~((self.rates >= 0) & (self.rates <= 1))
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(f"A rate must lie in [0, 1]. Found {self.rates[row]} in row {row}.")
        codes = np.sort(self._codes(self.keys))
        if (codes[1:] == codes[:-1]).any():
            raise DataError("Every (product, combination) must be listed once. Found one listed twice.")

    @property
    def has_content(self) -> bool:
        return False

    @property
    def num_slots(self) -> int:
        return int(self.keys.shape[1]) - 1

    def logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """True logit [batch]. Raises `UnknownIdError` for a combination that the table does not list."""
        logits = self._look_up(np.column_stack([product, combination]).astype(np.int32))
        missing = np.isnan(logits)
        if missing.any():
            row = int(missing.argmax())
            raise UnknownIdError(
                f"The table of rates must list every combination asked for. "
                f"Found product row {int(product[row])}, element rows {combination[row].tolist()} unlisted."
            )
        return logits

    def click_probability(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """True click probability [batch]."""
        return sigmoid(self.logit(product, context, combination))

    def content_logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """Not known to a table: raises `ConfigError` (`has_content` is False)."""
        raise ConfigError("`content` must be False for a table of rates, which knows no content. Found True.")

    def slot_tables(
        self, product: int, context: int, candidates: Sequence[Rows], content: bool = False
    ) -> LogitTables | None:
        """None: a table has no additive form."""
        return None

    def enumerate_logits(self, product: int, context: int, candidates: Sequence[Rows], content: bool = False) -> Floats:
        """Logit of every combination of `candidates`, one axis per slot; NaN where the table lists none."""
        if content:
            raise ConfigError("`content` must be False for a table of rates, which knows no content. Found True.")
        shape = tuple(len(rows) for rows in candidates)
        if prod(shape) > MAX_ENUMERATED:
            raise ConfigError(f"At most {MAX_ENUMERATED:,} combinations can be enumerated. Found {prod(shape):,}.")
        axes = np.meshgrid(*candidates, indexing="ij")
        keys = np.stack([np.full(prod(shape), product), *(axis.ravel() for axis in axes)], axis=1)
        return self._look_up(keys.astype(np.int32)).reshape(shape)

    def shapley(
        self, product: int, context: int, combination: Rows, candidates: Sequence[Rows], content: bool = False
    ) -> Floats:
        """Shapley values (logits), shaped as `combination`. Raises `DataError` where the pools hold unlisted ones."""
        played = game(np.atleast_2d(np.asarray(combination, dtype=np.int32)), candidates)
        table = self.enumerate_logits(product, context, played.rows, content)
        if np.isnan(table).any():
            raise DataError(
                "Shapley values need the rate of every combination of the pools. "
                f"Found {int(np.isnan(table).sum())} of {table.size} unlisted for product row {product}."
            )
        return table_shapley(table, played).reshape(np.shape(combination))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        return {"keys": self.keys, "rates": self.rates}

    def truth_info(self) -> dict[str, Any]:
        return {
            **self.info,
            "kind": "table",
            "context_name": self.context_name or "",
            "context_values": list(self.context_values),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> TableWorld:
        """The inverse of `to_arrays` and `truth_info`. Raises `DataError` naming what is missing."""
        missing = [name for name in ("keys", "rates") if name not in arrays]
        if missing:
            raise DataError(f"The truth of a table must have array {missing[0]!r}. Found {sorted(arrays)}.")
        return cls(
            keys=np.asarray(arrays["keys"], dtype=np.int32),
            rates=np.asarray(arrays["rates"], dtype=np.float64),
            context_name=info.get("context_name") or None,
            context_values=tuple(info.get("context_values", ("",))),
            info=dict(info),
        )

    @cached_property
    def _columns(self) -> list[Rows]:
        """The values each column of `keys` takes, ascending."""
        return [np.unique(column) for column in self.keys.T]

    def _codes(self, keys: Rows) -> NDArray[np.int64]:
        """One number per row of `keys`; -1 where some value appears nowhere in its column."""
        codes = np.zeros(len(keys), dtype=np.int64)
        known = np.ones(len(keys), dtype=bool)
        if prod(len(values) for values in self._columns) >= 2**62:
            raise ConfigError("A table of rates must span fewer than 2^62 combinations. Use fewer elements.")
        for column, values in zip(keys.T, self._columns, strict=True):
            position = np.minimum(np.searchsorted(values, column), len(values) - 1)
            known &= values[position] == column
            codes = codes * len(values) + position
        return np.where(known, codes, -1)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.int64], Floats]:
        """Codes of the listed combinations, ascending, and their logits."""
        codes = self._codes(self.keys)
        order = np.argsort(codes)
        rates = np.clip(self.rates, SMALLEST_RATE, 1 - SMALLEST_RATE)[order]
        return codes[order], np.log(rates) - np.log1p(-rates)

    def _look_up(self, keys: Rows) -> Floats:
        codes, logits = self._sorted
        wanted = self._codes(keys)
        position = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
        return np.where(codes[position] == wanted, logits[position], np.nan)
