"""The additive terms of the reward model: which weight multiplies which feature of a combination.

    uplift(x, y) = sum_c z_c . (w_c + (V + V_c) u) + sum_{c<c'} z_c' B_cc' z_c' + empty_c

`z_c` is the latent content of the element in slot c, `u` the encoded context. Slots of one component share their
weights; `V` is shared by all components whose content is of one kind. Everything is linear in the weights, which is
what makes the posterior, the attribution and its interval exact.

Every feature is centred over the product's reference pool (an independent uniform element per slot): the feature of
the pool's mean element is subtracted, so the uplift averages to zero over the pool and the constant belongs to appeal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_OWN_CONTEXT = 256
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Block:
    """Weights `start:stop` of one kind: `own`, `empty`, `context` or `pair`, with the shape they are read in."""

    name: str
    kind: str
    start: int
    stop: int
    shape: tuple[int, int]
    owners: tuple[int, ...]

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class EffectiveWeights:
    """Weights as slots use them.

    query: per slot [1 + num_context, own_rank] (row 0 applies always) · empty: per slot scalar ·
    bilinear: (c, c') with c < c' -> [pair_rank_c, pair_rank_c'].
    """

    query: tuple[Floats, ...]
    empty: Floats
    bilinear: dict[tuple[int, int], Floats]


@dataclass(frozen=True)
class TermLayout:
    """Where each weight stands in the flat vector `theta` [num_weights].

    slot_component: component index of each slot · component_names · component_kind: content kind of each component ·
    own_rank, pair_rank: latent dimensions each component uses (`pair_rank <= own_rank`) · num_context: width of `u` ·
    own, context, own_context, pair: whether the part exists; a component whose own context weights would number more
    than `MAX_OWN_CONTEXT` has only the shared ones.
    """

    slot_component: tuple[int, ...]
    component_names: tuple[str, ...]
    component_kind: tuple[int, ...]
    own_rank: tuple[int, ...]
    pair_rank: tuple[int, ...]
    optional: tuple[bool, ...]
    num_context: int
    own: bool = True
    pair: bool = True
    context: bool = True
    own_context: bool = True

    @property
    def num_slots(self) -> int:
        return len(self.slot_component)

    @property
    def num_weights(self) -> int:
        return self.blocks[-1].stop if self.blocks else 0

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        found: list[Block] = []

        def add(name: str, kind: str, shape: tuple[int, int], owners: tuple[int, ...]) -> None:
            start = found[-1].stop if found else 0
            if shape[0] * shape[1] > 0:
                found.append(Block(name, kind, start, start + shape[0] * shape[1], shape, owners))

        for component, name in enumerate(self.component_names):
            if self.own:
                add(f"own:{name}", "own", (1, self.own_rank[component]), (component,))
            if self.optional[component]:
                add(f"empty:{name}", "empty", (1, 1), (component,))
        if self.context and self.num_context:
            for kind in sorted(set(self.component_kind)):
                owners = tuple(c for c, k in enumerate(self.component_kind) if k == kind)
                add(f"context:{kind}", "context", (self.num_context, self.own_rank[owners[0]]), owners)
            if self.own_context:
                for component, name in enumerate(self.component_names):
                    if self.num_context * self.own_rank[component] > MAX_OWN_CONTEXT:
                        continue
                    add(f"context:{name}", "context", (self.num_context, self.own_rank[component]), (component,))
        if self.pair:
            for a, b in self.component_pairs:
                shape = (self.pair_rank[a], self.pair_rank[b])
                add(f"pair:{self.component_names[a]}|{self.component_names[b]}", "pair", shape, (a, b))
        return tuple(found)

    @cached_property
    def slot_pairs(self) -> tuple[tuple[int, int], ...]:
        return tuple((i, j) for i in range(self.num_slots) for j in range(i + 1, self.num_slots))

    @cached_property
    def component_pairs(self) -> tuple[tuple[int, int], ...]:
        pairs = {self._components_of(i, j) for i, j in self.slot_pairs}
        return tuple(sorted(pairs))

    def _components_of(self, i: int, j: int) -> tuple[int, int]:
        a, b = self.slot_component[i], self.slot_component[j]
        return (a, b) if a <= b else (b, a)

    def effective(self, theta: NDArray[np.floating]) -> EffectiveWeights:
        """Read `theta` [num_weights] as the weights of each slot and pair of slots."""
        query = [np.zeros((1 + self.num_context, self.own_rank[c]), dtype=np.float32) for c in self.slot_component]
        empty = np.zeros(self.num_slots, dtype=np.float32)
        bilinear = {
            (i, j): np.zeros(
                (self.pair_rank[self.slot_component[i]], self.pair_rank[self.slot_component[j]]), np.float32
            )
            for i, j in self.slot_pairs
        }
        for block in self.blocks:
            weights = np.asarray(theta[block.start : block.stop], dtype=np.float32).reshape(block.shape)
            if block.kind == "pair":
                for i, j in self.slot_pairs:
                    if self._components_of(i, j) == block.owners:
                        bilinear[i, j] += self._oriented(weights, i, j)
                continue
            for slot, component in enumerate(self.slot_component):
                if component not in block.owners:
                    continue
                if block.kind == "own":
                    query[slot][0] += weights[0]
                elif block.kind == "context":
                    query[slot][1:] += weights
                else:
                    empty[slot] += weights[0, 0]
        return EffectiveWeights(tuple(query), empty, bilinear)

    def _oriented(self, weights: Floats, i: int, j: int) -> Floats:
        """The weights of a pair of components as slots (i, j) read them."""
        return weights if self.slot_component[i] <= self.slot_component[j] else weights.T

    def gather(
        self, query: Sequence[Floats], empty: Floats, bilinear: dict[tuple[int, int], Floats]
    ) -> NDArray[np.float64]:
        """The transpose of `effective`: derivatives by slot, summed into a derivative by weight [num_weights]."""
        total = np.zeros(self.num_weights, dtype=np.float64)
        for block in self.blocks:
            part = total[block.start : block.stop].reshape(block.shape)
            if block.kind == "pair":
                for i, j in self.slot_pairs:
                    if self._components_of(i, j) == block.owners:
                        part += self._oriented(bilinear[i, j], i, j)
                continue
            for slot, component in enumerate(self.slot_component):
                if component in block.owners:
                    source = {"own": query[slot][:1], "context": query[slot][1:], "empty": empty[slot : slot + 1, None]}
                    part += source[block.kind]
        return total

    def prior_shape(self, spectrum: Sequence[Floats], exponent: float) -> NDArray[np.float64]:
        """Relative prior variance of every weight: `spectrum[component] ** exponent` per latent dimension.

        `spectrum[component]` [own_rank] is the share of content variance of each latent dimension, the first being 1;
        exponent 0 treats whitened dimensions alike, 1 is the prior that ridge regression on raw content uses.
        """
        shape = np.ones(self.num_weights)
        for block in self.blocks:
            if block.kind == "empty":
                continue
            power = [np.asarray(spectrum[owner], dtype=np.float64) ** exponent for owner in block.owners]
            if block.kind == "pair":
                grid = power[0][: block.shape[0], None] * power[1][None, : block.shape[1]]
            else:
                grid = np.broadcast_to(power[0][None, : block.shape[1]], block.shape)
            shape[block.start : block.stop] = grid.ravel()
        return shape

    def features(
        self, latents: Sequence[Floats], is_empty: NDArray[Any] | None, context: Floats, out_of: str = "all"
    ) -> Floats:
        """Features [batch, num_weights] of combinations, not centred.

        latents: per slot [batch, rank] · is_empty: [batch, slot] or None, True or a share · context: [batch,
        num_context].
        `out_of` is `"all"`, or `"own"` / `"pair"` for that part alone (zeros elsewhere).
        """
        batch = len(latents[0])
        features = np.zeros((batch, self.num_weights), dtype=np.float32)
        for block in self.blocks:
            part = features[:, block.start : block.stop].reshape(batch, *block.shape)
            if block.kind == "pair":
                if out_of != "own":
                    for i, j in self.slot_pairs:
                        if self._components_of(i, j) == block.owners:
                            part += self.pair_features(latents[i], latents[j], i, j)
                continue
            if out_of == "pair":
                continue
            for slot, component in enumerate(self.slot_component):
                if component in block.owners:
                    part += self._own_features(block, latents[slot], is_empty, slot, context)
        return features

    def _own_features(
        self, block: Block, latent: Floats, is_empty: NDArray[Any] | None, slot: int, context: Floats
    ) -> Floats:
        if block.kind == "empty":
            column = np.zeros(len(latent)) if is_empty is None else is_empty[:, slot]
            return np.asarray(column, dtype=np.float32)[:, None, None]
        latent = latent[:, : block.shape[1]]
        return latent[:, None, :] if block.kind == "own" else context[:, :, None] * latent[:, None, :]

    def pair_features(self, left: Floats, right: Floats, i: int, j: int) -> Floats:
        """Outer products [batch, rank_a, rank_b] of two slots' latents, oriented as their block is stored."""
        a, b = self.slot_component[i], self.slot_component[j]
        outer = left[:, : self.pair_rank[a], None] * right[:, None, : self.pair_rank[b]]
        return outer if a <= b else outer.transpose(0, 2, 1)

    def pair_block(self, i: int, j: int) -> Block | None:
        """The block that holds the weights of slots i and j, or None when pairs are off."""
        owners = self._components_of(i, j)
        return next((block for block in self.blocks if block.kind == "pair" and block.owners == owners), None)
