"""A simulated world: the true click probability of every combination, known to evaluation only.

    logit = a_p + k * ( sum_c [ 0.10 z_c . v_s + 0.10 z_c . w_c + 0.20 idio_c ]
                        + (1 - h) * 0.06 sum_{c<c'} z_c' B_cc' z_c'  +  h * 0.25 tanh(2 concat(z) H) . q )

The empty element has style 0 and idio 0, hence no effect of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError
from genco.simulator.ascent import best_by_ascent
from genco.simulator.shapley import game, shapley_values
from genco.types import Floats, LogitTables

Rows = NDArray[np.int32]
Singles = NDArray[np.float32]

TASTE_SCALE, OWN_SCALE, IDIO_SCALE, PAIR_SCALE, RESIDUAL_SCALE, RESIDUAL_GAIN = 0.10, 0.10, 0.20, 0.06, 0.25, 2.0

_ARRAYS = (
    "appeal",
    "style",
    "content_style",
    "idio",
    "element_component",
    "tastes",
    "component_taste",
    "bilinear",
    "hidden",
    "readout",
    "never_logged_products",
    "never_logged_elements",
)


@dataclass(frozen=True, eq=False)
class World:
    """Everything the logit needs, and nothing else. A `genco.protocols.Truth`.

    appeal: [product] · style, content_style: [element, dim], the latter inferred from content · idio: [element] ·
    element_component: [element] · tastes: [epoch, segment, dim], one epoch unless tastes drift · component_taste:
    [component, dim] · bilinear: [component, component, dim, dim], read at (component of c, component of c') for slots
    c < c' · hidden: [slot * dim, unit] · readout: [unit] · never_logged_products, never_logged_elements: bool, True =
    the scenario keeps it out of the log (with a product, all its elements) · epoch: row of `tastes` in force.
    """

    slot_names: tuple[str, ...]
    slot_component: tuple[int, ...]
    context_values: tuple[str, ...]
    strength: float
    higher_order: float
    appeal: Floats
    style: Singles
    content_style: Singles
    idio: Singles
    element_component: NDArray[np.int8]
    tastes: Floats
    component_taste: Floats
    bilinear: Floats
    hidden: Floats
    readout: Floats
    never_logged_products: NDArray[np.bool_]
    never_logged_elements: NDArray[np.bool_]
    rotation_every: int = 0
    epoch: int = 0
    context_name: str | None = "segment"
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def has_content(self) -> bool:
        return True

    @property
    def num_slots(self) -> int:
        return len(self.slot_component)

    @property
    def num_products(self) -> int:
        return len(self.appeal)

    @property
    def num_elements(self) -> int:
        return len(self.idio)

    def at(self, request: int) -> World:
        """The world as it is when request number `request` arrives. Only drifting tastes change."""
        epoch = min(request // self.rotation_every, len(self.tastes) - 1) if self.rotation_every else 0
        return self if epoch == self.epoch else replace(self, epoch=epoch)

    def logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """True logit [batch] of products [batch], contexts [batch] and element rows [batch, slot]."""
        return self._logit(product, context, combination, content=False)

    def content_logit(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """Logit [batch] with idio = 0 and styles inferred from content."""
        return self._logit(product, context, combination, content=True)

    def click_probability(self, product: Rows, context: Rows, combination: Rows) -> Floats:
        """True click probability [batch]."""
        return sigmoid(self.logit(product, context, combination))

    def slot_tables(self, product: int, context: int, candidates: Sequence[Rows], content: bool = False) -> LogitTables:
        """The logit of one request in parts, over `candidates` (element rows of each slot, -1 = empty)."""
        style, own = (self._content_style, self._content_own) if content else (self._style, self._own)
        own_row = own[context]
        return LogitTables(
            constant=float(self.appeal[product]),
            own=tuple(own_row[rows] for rows in candidates),
            style=tuple(style[rows].astype(np.float64) for rows in candidates),
            bilinear=self._slot_bilinear,
            hidden=tuple(style[rows] @ part for rows, part in zip(candidates, self._slot_hidden, strict=True))
            if self._has_residual
            else (),
            readout=self._scaled_readout,
        )

    def enumerate_logits(self, product: int, context: int, candidates: Sequence[Rows], content: bool = False) -> Floats:
        """Logit of every combination of `candidates`, one axis per slot."""
        return self.slot_tables(product, context, candidates, content).enumerate_logits()

    def shapley(
        self, product: int, context: int, combination: Rows, candidates: Sequence[Rows], content: bool = False
    ) -> Floats:
        """Shapley values (logits) of `combination` ([slot] or [batch, slot]), shaped alike. See `shapley_values`.

        Pass approved elements without the empty one to have an absent element averaged over elements only.
        """
        played = game(np.atleast_2d(np.asarray(combination, dtype=np.int32)), candidates)
        values = shapley_values(self.slot_tables(product, context, played.rows, content), played)
        return values.reshape(np.shape(combination))

    def best_by_ascent(
        self,
        product: int,
        context: int,
        candidates: Sequence[Rows],
        starts: int = 1_000,
        seed: int = 0,
        content: bool = False,
    ) -> tuple[Rows, float]:
        """Element rows [slot] of the best combination coordinate ascent finds, and its logit. See `ascent`."""
        positions, logit = best_by_ascent(self.slot_tables(product, context, candidates, content), starts, seed)
        combination = [rows[position] for rows, position in zip(candidates, positions, strict=True)]
        return np.array(combination, dtype=np.int32), logit

    def own_effects(self) -> Floats:
        """Own effect of every element averaged over segments, before the strength is applied: [element]."""
        return np.asarray(self._own[:, :-1].mean(axis=0) / self.strength)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to keep. `info` (and `truth_info`) holds the rest."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def truth_info(self) -> dict[str, Any]:
        """The scalars and names to keep beside `to_arrays`, fit for TOML."""
        return {
            **self.info,
            "kind": "world",
            "context_name": self.context_name or "",
            "context_values": list(self.context_values),
            "slot_names": list(self.slot_names),
            "slot_component": list(self.slot_component),
            "strength": self.strength,
            "higher_order": self.higher_order,
            "rotation_every": self.rotation_every,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], info: Mapping[str, Any]) -> World:
        """The inverse of `to_arrays` and `truth_info`. Raises `DataError` naming what is missing."""
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise DataError(f"The truth of a simulated world must have array {missing[0]!r}. Found {sorted(arrays)}.")
        return cls(
            slot_names=tuple(info["slot_names"]),
            slot_component=tuple(info["slot_component"]),
            context_values=tuple(info["context_values"]),
            strength=float(info["strength"]),
            higher_order=float(info["higher_order"]),
            rotation_every=int(info.get("rotation_every", 0)),
            context_name=info.get("context_name") or None,
            info=dict(info),
            **{name: np.asarray(arrays[name]) for name in _ARRAYS},  # type: ignore[arg-type]  # the fields of arrays, checked above
        )

    def _logit(self, product: Rows, context: Rows, combination: Rows, content: bool) -> Floats:
        style, own = (self._content_style, self._content_own) if content else (self._style, self._own)
        shown = np.take(style, combination, axis=0, mode="wrap").reshape(len(product), -1)
        total = self.appeal[product] + own[context[:, None], combination].sum(axis=1)
        total += np.einsum("bi,bi->b", shown @ self._joint_bilinear, shown)
        if self._has_residual:
            sums = shown @ self._joint_hidden
            total += np.tanh(sums, out=sums) @ self._scaled_readout
        return np.asarray(total)

    @property
    def _has_residual(self) -> bool:
        return self.higher_order > 0

    @cached_property
    def _style(self) -> Singles:
        return _with_empty(self.style)

    @cached_property
    def _content_style(self) -> Singles:
        return _with_empty(self.content_style)

    @cached_property
    def _own(self) -> Floats:
        return self._own_table(self._style) + self.strength * IDIO_SCALE * np.append(self.idio, 0.0)

    @cached_property
    def _content_own(self) -> Floats:
        return self._own_table(self._content_style)

    def _own_table(self, style: Singles) -> Floats:
        """Own effect of content [segment, element + 1]; the last column is the empty element."""
        component = np.append(self.element_component, 0)
        by_segment = TASTE_SCALE * (style @ self.tastes[self.epoch].T).T
        by_component = OWN_SCALE * np.einsum("ed,ed->e", style, self.component_taste[component])
        return np.asarray(self.strength * (by_segment + by_component))

    @cached_property
    def _slot_bilinear(self) -> dict[tuple[int, int], Floats]:
        scale = self.strength * (1 - self.higher_order) * PAIR_SCALE
        component = self.slot_component
        slots = range(self.num_slots)
        return {(c, d): scale * self.bilinear[component[c], component[d]] for c in slots for d in slots if c < d}

    @cached_property
    def _joint_bilinear(self) -> Singles:
        """All pairs of slots in one matrix [slot * dim, slot * dim]."""
        dim = self.style.shape[1]
        joint = np.zeros((self.num_slots, dim, self.num_slots, dim), dtype=np.float32)
        for (c, d), matrix in self._slot_bilinear.items():
            joint[c, :, d, :] = matrix
        return joint.reshape(self.num_slots * dim, -1)

    @cached_property
    def _joint_hidden(self) -> Singles:
        return np.asarray(RESIDUAL_GAIN * self.hidden, dtype=np.float32)

    @cached_property
    def _slot_hidden(self) -> Singles:
        return self._joint_hidden.reshape(self.num_slots, self.style.shape[1], -1)

    @cached_property
    def _scaled_readout(self) -> Singles:
        return np.asarray(self.strength * self.higher_order * RESIDUAL_SCALE * self.readout, dtype=np.float32)


def sigmoid(logit: Floats) -> Floats:
    """Probability of a logit."""
    return np.asarray(1.0 / (1.0 + np.exp(-logit)))


def _with_empty(style: Singles) -> Singles:
    """`style` with a zero row at the end, which row -1 (the empty element) reads."""
    return np.concatenate([style, np.zeros((1, style.shape[1]), dtype=style.dtype)])
