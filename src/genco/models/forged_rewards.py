"""Which rewards were forged: actors that reward whatever shows one element, told from honest ones by a mixture.

An honest actor rewards a row at the rate the model expects, its logit moved by the actor's own eagerness, N(0, 1), and
by its taste for the element, N(0, 1). A forger has, on every product with probability 1/2, a target: an element whose
showings it rewards with probability .95; beside that it behaves like everybody. Shares of the targets of a product are
estimated by EM with a prior spread over its elements, so that actors after the same element find each other; the share
of forgers is integrated over a grid; and that there are any at all has prior odds of one to a thousand. Only actors
with two rewards or more are judged: the chance to be among them is part of an honest actor's likelihood. Pure, numpy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from genco.data.catalogue import EMPTY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_REWARDS = 2
PRIOR = 1e-3  # that anybody forges
ANSWERS = 0.95  # of the showings of its target that a forger rewards
HAS_TARGET = 0.5  # of a forger's products
ROUNDS = 8
_NODES, _WEIGHTS = hermegauss(7)
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())
_SHARES = 1 / (1 + np.exp(-np.linspace(-7.0, 2.2, 20)))  # of forgers among the judged, .001 to .9
_HALF_VARIANCE = 0.5  # of a taste: taken off, so that the mean of a small rate stays


@dataclass(frozen=True)
class ActorRows:
    """actor [row]: numbers · product [row] · combination [row, slot]: element rows, EMPTY for none · num_elements
    [row]: that its product may show · rewarded [row] · logit [row]: of the rate that the model expects."""

    actor: Ints
    product: Ints
    combination: Ints
    num_elements: Ints
    rewarded: NDArray[np.bool_]
    logit: Floats

    def only(self, kept: NDArray[np.bool_]) -> ActorRows:
        return ActorRows(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def forged(rows: ActorRows, prior: float = PRIOR) -> Floats:
    """Probability [row] that the row's reward is forged, 0 where it has none. prior: that there are forgers, (0, 1)."""
    found = np.zeros(len(rows.actor))
    if not len(found):
        return found
    _, actor = np.unique(rows.actor, return_inverse=True)
    kept = np.bincount(actor, weights=rows.rewarded)[actor] >= LEAST_REWARDS
    if kept.any():
        found[kept] = _forged(rows.only(kept), prior)
    return found


def _forged(rows: ActorRows, prior: float) -> Floats:
    """The same where every actor has rewards enough. Arrays over nodes are over the actor's eagerness."""
    actors, actor = np.unique(rows.actor, return_inverse=True)
    eager = _summed(actor, _log_chance(_moved(rows.logit), rows.rewarded), len(actors)) + _LOG_WEIGHTS
    eager -= _log_sum(eager)[:, None]  # posterior of an honest actor's
    selected = _log_selected(actor, len(actors), rows.logit)
    shown = _Showings.of(actor, rows)
    share = shown.first_share(eager, selected)
    for _ in range(ROUNDS):
        on_pair = shown.on_pair(share)
        by_node = eager + _summed(shown.pair_actor, np.log(on_pair), len(actors))
        odds = _log_sum(by_node)
        certain = _posterior(odds + selected, prior)
        node = np.exp(by_node - odds[:, None])[shown.pair_actor[shown.pair]]
        aimed = HAS_TARGET * share[shown.target][:, None] * shown.ratio / on_pair[shown.pair]
        after = (aimed * node).sum(1) * certain[shown.pair_actor[shown.pair]]  # that the showing is an actor's target
        counted = _summed(shown.target, after, len(share))
        share = (shown.spread + counted) / (1 + shown.by_product(counted))
    per_row = _summed(shown.row, after[shown.entry], len(rows.actor))
    return np.where(rows.rewarded, np.minimum(per_row, 1.0), 0.0)


@dataclass(frozen=True)
class _Showings:
    """An actor's showings of one element of one product are a showing. pair [showing]: of actor and product ·
    pair_actor [pair] · target [showing]: of product and element · product [target] · spread [target]: prior share ·
    ratio [showing, node]: likelihood of the rewards, a forger's to an honest actor's · row, entry: [of every element
    of every row] the row and the showing."""

    pair: Ints
    pair_actor: Ints
    target: Ints
    product: Ints
    spread: Floats
    ratio: Floats
    row: Ints
    entry: Ints

    @classmethod
    def of(cls, actor: Ints, rows: ActorRows) -> _Showings:
        row, slot = np.nonzero(rows.combination != EMPTY)
        at = np.unique(np.stack([row, rows.combination[row, slot]]), axis=1)  # an element twice in a row is there once
        row, element = at
        keys = np.stack([actor[row], rows.product[row], element])
        showings, entry = np.unique(keys, axis=1, return_inverse=True)
        pairs, pair = np.unique(showings[:2], axis=1, return_inverse=True)
        targets, target = np.unique(showings[1:], axis=1, return_inverse=True)
        size = np.zeros(len(targets[0]))
        size[target[entry]] = rows.num_elements[row]
        _, product = np.unique(targets[0], return_inverse=True)
        rewarded = rows.rewarded[row]
        answered = np.log(np.where(rewarded, ANSWERS, 1 - ANSWERS).astype(np.float64))
        tasted = _moved(rows.logit)[row][:, :, None] + (_NODES - _HALF_VARIANCE)
        honest = _log_sum(_summed(entry, _log_chance(tasted, rewarded), len(showings[0])) + _LOG_WEIGHTS)
        ratio = np.exp(np.minimum(_summed(entry, answered, len(showings[0]))[:, None] - honest, 300.0))
        return cls(pair, pairs[0], target, product, 1 / size, ratio, row, entry)

    def first_share(self, eager: Floats, selected: Floats) -> Floats:
        """Share [target] of every target by how much likelier the rewards are if forgers are after it alone."""
        of = self.pair_actor[self.pair]
        ratio = _log_sum(eager[of] + np.log(1 - HAS_TARGET + HAS_TARGET * self.ratio)) + selected[of]
        gain = _log_sum(_summed(self.target, _log_mixed(ratio), len(self.spread))) - np.log(len(_SHARES))
        weight = self.spread * np.exp(np.minimum(gain, 300.0))
        nobody_saw = np.maximum(1 - self.by_product(self.spread), 0.0)
        return np.asarray(weight / (self.by_product(weight) + nobody_saw))

    def on_pair(self, share: Floats) -> Floats:
        """Likelihood ratio [pair, node] given the share [target] of every target."""
        num, known = len(self.pair_actor), share[self.target]
        elsewhere = np.maximum(1 - _summed(self.pair, known, num), 0.0)
        at_target = _summed(self.pair, known[:, None] * self.ratio, num) + elsewhere[:, None]
        return np.asarray(1 - HAS_TARGET + HAS_TARGET * at_target)

    def by_product(self, values: Floats) -> Floats:
        """Sum [target] of values over all targets of its product."""
        return np.asarray(_summed(self.product, values, self.product.max() + 1)[self.product])


def _posterior(ratio: Floats, prior: float) -> Floats:
    """Probability [actor] of being a forger, over the grid of their share. ratio: log likelihood ratio [actor]."""
    mixed = _log_mixed(ratio)
    total = mixed.sum(0) - np.log(len(_SHARES))
    gain = float(np.logaddexp.reduce(total))
    anybody = 1 / (1 + np.exp(-np.clip(np.log(prior / (1 - prior)) + gain, -300, 300)))
    return np.asarray(anybody * np.exp(np.log(_SHARES) + ratio[:, None] - mixed) @ np.exp(total - gain))


def _log_mixed(ratio: Floats) -> Floats:
    """Log likelihood ratio [actor, share] of the mixtures of forgers and honest actors."""
    return np.asarray(np.logaddexp(np.log1p(-_SHARES), np.log(_SHARES) + ratio[:, None]))


def _log_selected(actor: Ints, num: int, logit: Floats) -> Floats:
    """Log probability [actor] that an honest one rewards `LEAST_REWARDS` or more of its rows."""
    moved = _moved(logit)
    none = np.exp(_summed(actor, -np.logaddexp(0, moved), num))
    some = 1 - none * (1 + _summed(actor, np.exp(moved), num))
    return _log_sum(np.log(np.maximum(some, 1e-12)) + _LOG_WEIGHTS)


def _moved(logit: Floats) -> Floats:
    """Logits [row, node] of an honest actor, by its eagerness."""
    return np.asarray(logit[:, None] + (_NODES - _HALF_VARIANCE))


def _log_chance(logit: Floats, rewarded: NDArray[np.bool_]) -> Floats:
    """Log probability [row, ...] of what came."""
    sign = np.where(rewarded, 1.0, -1.0).reshape(-1, *[1] * (logit.ndim - 1))
    return np.asarray(-np.logaddexp(0, -sign * logit))


def _log_sum(values: Floats) -> Floats:
    return np.asarray(np.logaddexp.reduce(values, axis=-1))


def _summed(index: Ints, values: Floats, num: int) -> Floats:
    """Sums [num, ...] of the values of every index."""
    total = np.zeros((num, *values.shape[1:]))
    np.add.at(total, index, values)
    return total
