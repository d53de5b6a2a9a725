"""What rows after training say of the weights: sums that add and fade, and the posterior they give.

The run is the prior: weights N(theta_0, Sigma_0), and every product's appeal a free offset from what the run knew, so
that weights learn from differences within a product and a change of level is not taken for an effect of elements. A
batch of rows is linearised where the model stands when it comes (Laplace's approximation, one Newton step a batch);
sums of batches add, and fading them by a factor is forgetting with a half-life (a power prior, Ibrahim & Chen 2000)
that never forgets the run itself. Element effects, prior scales and the residual stay as trained. Torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY
from genco.runtime.reward_model import BoundRewardModel, RewardModel

Sums = NDArray[np.float64]
Rows = NDArray[np.int32]
Floats = NDArray[np.float32]
OFFSET_VARIANCE = 4.0  # squared logits, as in training: decision 0005
CHUNK_ROWS = 4_096
_BY_PRODUCT = ("cross", "mass", "offset")


@dataclass(frozen=True)
class OnlineEvidence:
    """information: [weight, weight] · linear: [weight] · cross: [product, weight] · mass, offset: [product].

    linear and offset are gradients plus information times the deviations from the run they were taken at.
    """

    information: Sums
    linear: Sums
    cross: Sums
    mass: Sums
    offset: Sums

    @classmethod
    def nothing(cls, num_weights: int, num_products: int) -> OnlineEvidence:
        return cls(
            np.zeros((num_weights, num_weights)),
            np.zeros(num_weights),
            np.zeros((num_products, num_weights)),
            np.zeros(num_products),
            np.zeros(num_products),
        )

    def __add__(self, other: OnlineEvidence) -> OnlineEvidence:
        return OnlineEvidence(
            self.information + other.information,
            self.linear + other.linear,
            self.cross + other.cross,
            self.mass + other.mass,
            self.offset + other.offset,
        )

    def over(self, num_products: int) -> OnlineEvidence:
        """The same of more products: later ones have none yet."""
        more = OnlineEvidence.nothing(len(self.linear), num_products - len(self.mass))
        by_product = {name: np.concatenate([getattr(self, name), getattr(more, name)]) for name in _BY_PRODUCT}
        return replace(self, **by_product)

    def of_first(self, num_products: int) -> OnlineEvidence:
        """The same with the offsets of all later products integrated out, each with the prior of an offset."""
        later = slice(num_products, None)
        held = (self.mass[later] + 1.0 / OFFSET_VARIANCE)[:, None]
        first = {name: getattr(self, name)[:num_products] for name in _BY_PRODUCT}
        return OnlineEvidence(
            information=self.information - self.cross[later].T @ (self.cross[later] / held),
            linear=self.linear - self.cross[later].T @ (self.offset[later] / held[:, 0]),
            **first,
        )

    def faded(self, factor: float) -> OnlineEvidence:
        """All sums times `factor` in [0, 1]."""
        return OnlineEvidence(**{name: factor * values for name, values in vars(self).items()})


def evidence_of(
    bound: BoundRewardModel, base: BoundRewardModel, product: Rows, combination: Rows, context: Floats, reward: Floats
) -> OnlineEvidence:
    """Evidence of rows, linearised at `bound`; `base` is the run. reward: [row], from 0 to 1.

    product: [row] · combination: [row, slot] element rows · context: [row, num_context]. Both models are of one layout
    and one catalogue.
    """
    total = OnlineEvidence.nothing(bound.model.layout.num_weights, bound.catalogue.num_products)
    deviation = np.asarray(bound.model.theta, dtype=np.float64) - base.model.theta
    moved = np.asarray(bound.appeal_base, dtype=np.float64) - base.appeal_base
    for start in range(0, len(product), CHUNK_ROWS):
        part = slice(start, start + CHUNK_ROWS)
        at = product[part]
        features = centred_features(bound, at, combination[part], context[part]).astype(np.float64)
        logit = bound.appeal(at, context[part]) + bound.uplift(at, combination[part], context[part])
        rate = 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))
        residual, weight = reward[part] - rate, rate * (1.0 - rate)
        weighted = features * weight[:, None]
        cross = np.zeros_like(total.cross)
        np.add.at(cross, at, weighted)
        mass = np.bincount(at, weights=weight, minlength=len(moved)).astype(np.float64)
        information = weighted.T @ features
        total += OnlineEvidence(
            information,
            features.T @ residual + information @ deviation + moved @ cross,
            cross,
            mass,
            np.bincount(at, weights=residual, minlength=len(moved)) + cross @ deviation + mass * moved,
        )
    return total


def evidence_of_rewards(
    bound: BoundRewardModel, product: Rows, combination: Rows, context: Floats, reward: Sums
) -> OnlineEvidence:
    """What `reward` [row] more of these rows would add; negative: what takes it out again. The rows stay, so no
    information changes. Arrays as in `evidence_of`."""
    features = centred_features(bound, product, combination, context).astype(np.float64)
    nothing = OnlineEvidence.nothing(features.shape[1], bound.catalogue.num_products)
    np.add.at(nothing.offset, product, reward)
    return replace(nothing, linear=features.T @ reward)


def updated_model(base: BoundRewardModel, evidence: OnlineEvidence) -> RewardModel:
    """The run's reward model with the posterior of weights and product offsets given `evidence`."""
    model = base.model
    held = evidence.mass + 1.0 / OFFSET_VARIANCE
    spent = evidence.cross / np.sqrt(held)[:, None]
    information = evidence.information - spent.T @ spent
    linear = evidence.linear - evidence.cross.T @ (evidence.offset / held)
    values, vectors = np.linalg.eigh(np.asarray(model.covariance, dtype=np.float64))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    inner = root.T @ information @ root
    inner[np.diag_indices_from(inner)] += 1.0
    covariance = root @ np.linalg.solve(inner, root.T)
    deviation = covariance @ linear
    offset = (evidence.offset - evidence.cross @ deviation) / held
    ids, seen = base.catalogue.products["product_id"], np.flatnonzero(evidence.mass > 0)
    effect = {str(ids[int(row)]): float(base.appeal_base[row] + offset[row]) for row in seen}
    return replace(
        model,
        theta=(model.theta + deviation).astype(np.float32),
        covariance=((covariance + covariance.T) / 2).astype(np.float32),
        appeal=replace(model.appeal, product_effect={**model.appeal.product_effect, **effect}),
    )


def centred_features(bound: BoundRewardModel, product: Rows, combination: Rows, context: Floats) -> Floats:
    """Features [row, weight] of combinations minus those of the product's average creative: times theta, the additive
    uplift without element effects."""
    layout = bound.model.layout
    mean, empty_share, _ = bound.references
    index = np.where(combination == EMPTY, len(bound.latents) - 1, combination)
    slots = range(layout.num_slots)
    shown = layout.features([bound.latents[index[:, slot]] for slot in slots], combination == EMPTY, context)
    average = layout.features([mean[product, slot] for slot in slots], empty_share[product], context)
    return np.asarray(shown - average, dtype=np.float32)
