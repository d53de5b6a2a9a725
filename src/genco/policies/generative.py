"""The two-stage policy of one run on one catalogue: propose, score, refine, explain, decide. Torch-free.

Product encodings are cached; a request costs the decoder, a few table look-ups and, for a decision, the posterior
draws, whose outcome is cached too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue
from genco.errors import ConfigError
from genco.rng import stream
from genco.runtime.attribution import Attribution, attribute
from genco.runtime.decision import (
    Decision,
    DecisionConfig,
    ProductDecisions,
    candidate_set,
    minimum_share_parts,
    winners,
)
from genco.runtime.decoding import RequestPolicy
from genco.runtime.legal_space import LegalSpace, RuleBook, legal_space
from genco.runtime.posterior_draws import PosteriorDraws
from genco.runtime.product_encoding import GeneratorWeights, ProductEncoding, encode_product
from genco.runtime.recent import Recent
from genco.runtime.refine import AdditiveTables, coordinate_ascent, score
from genco.runtime.reward_model import BoundRewardModel

Floats = NDArray[np.float32]
Positions = NDArray[np.int32]
MAX_ENUMERATED = 4_096
ROUNDING = 2e-6
ALONE_DECISIONS = 64


@dataclass(frozen=True)
class Proposals:
    """Ranked combinations of one request, best score first.

    positions: [k, slot] into the candidates of `space` · rows: [k, slot] element rows · uplift: [k] logits above the
    average creative · click_probability: [k] · log_prob: [k] of the generator.
    """

    space: LegalSpace
    positions: Positions
    rows: Positions
    uplift: Floats
    click_probability: Floats
    log_prob: Floats


@dataclass(frozen=True)
class Request:
    """One request prepared: everything later steps share."""

    product: int
    context: Floats
    encoding: ProductEncoding
    tables: AdditiveTables
    policy: RequestPolicy

    @property
    def space(self) -> LegalSpace:
        return self.policy.space


class GenerativePolicy:
    """Stage 1 and stage 2 together over one catalogue. `version` names the model in seeds and logs."""

    def __init__(
        self,
        bound: BoundRewardModel,
        network: GeneratorWeights,
        decision: DecisionConfig | None = None,
        version: str = "0",
        cache_products: int = 4_096,
        cache_decisions: int = 8_192,
        products: ProductDecisions | None = None,
    ) -> None:
        self.bound, self.network, self.version = bound, network, version
        self.decision, self.products = decision or DecisionConfig(), products or ProductDecisions()
        self.rule_book = RuleBook(bound.catalogue)
        self._encodings: Recent[int, ProductEncoding] = Recent(cache_products)
        self._decisions: Recent[tuple[int, bytes], Decision] = Recent(cache_decisions)
        self._draws = PosteriorDraws(bound, version)

    def under(self, catalogue: Catalogue, decision: DecisionConfig, products: ProductDecisions) -> GenerativePolicy:
        """The same model deciding otherwise. catalogue: with the same elements and products, of other status or rules;
        nothing is encoded again."""
        bound = replace(self.bound, catalogue=catalogue)
        made = GenerativePolicy(bound, self.network, decision, self.version, products=products)
        made._draws = self._draws.on(bound)
        return made

    def alone(self, product: int, bound: BoundRewardModel, rules: RuleBook) -> GenerativePolicy:
        """The same policy on one product as row 0 of `bound`, which remembers its last `ALONE_DECISIONS` decisions.
        product: its row here, -1 = unknown here."""
        own = self.products.minimum_share.get(product)
        products = ProductDecisions(
            {} if own is None else {0: own}, frozenset({0} if product in self.products.paused else ())
        )
        made = GenerativePolicy(bound, self.network, self.decision, self.version, 1, ALONE_DECISIONS, products)
        made._draws, made.rule_book = self._draws.on(bound), rules
        return made

    def encoding(self, product: int) -> ProductEncoding:
        """The product's encoding, from the cache where it is there."""
        found = self._encodings.get(product)
        if found is None:
            space = legal_space(self.bound.catalogue, product, book=self.rule_book)
            found = encode_product(self.bound, self.network, product, space)
            self._encodings.put(product, found)
        return found

    def request(
        self,
        product: int,
        context: Floats,
        pinned: Mapping[str, str] | None = None,
        excluded: frozenset[str] = frozenset(),
    ) -> Request:
        """Prepare a request. Pins and exclusions make an encoding of their own, which is not cached."""
        if pinned or excluded:
            space = legal_space(self.bound.catalogue, product, pinned or {}, excluded, book=self.rule_book)
            encoding = encode_product(self.bound, self.network, product, space)
        else:
            encoding = self.encoding(product)
        tables = encoding.tables(context)
        return Request(product, context, encoding, tables, RequestPolicy(encoding, self.network, context))

    def scores(self, request: Request, positions: Positions) -> Floats:
        """Uplift [batch] of combinations, attention residual included."""
        total = score(request.tables, positions)
        residual = self.bound.model.residual
        if residual is not None:
            total = total + self.residual_parts(request, positions).sum(axis=1)
        return np.asarray(total, dtype=np.float32)

    def residual_parts(self, request: Request, positions: Positions) -> Floats:
        """Attention residual of each slot [batch, slot]; zeros without one."""
        residual = self.bound.model.residual
        if residual is None:
            return np.zeros(positions.shape, dtype=np.float32)
        rows = self.rows(request.space, positions)
        latents = np.stack(
            [request.encoding.full_latents[c][positions[:, c]] for c in range(positions.shape[1])], axis=1
        )
        present = rows >= 0
        latents = np.where(present[..., None], latents, np.float32(0.0))
        context = np.repeat(request.context[None], len(positions), axis=0)
        return residual(latents, present, context)

    def rows(self, space: LegalSpace, positions: Positions) -> Positions:
        """Element rows [batch, slot] of positions."""
        return np.stack([space.candidates[c][positions[:, c]] for c in range(positions.shape[1])], axis=1).astype(
            np.int32
        )

    def click_probability(self, request: Request, uplift: Floats) -> Floats:
        """Calibrated probability [batch] of the reward."""
        slope, intercept = self.bound.model.calibration
        logit = self.bound.appeal(request.product, request.context) + slope * uplift + intercept
        return np.asarray(1.0 / (1.0 + np.exp(-logit)), dtype=np.float32)

    def propose(self, request: Request, num: int, rng: np.random.Generator, refine: bool = True) -> Proposals:
        """`num` distinct combinations in one pass; with `refine`, each climbs to where no single change improves it.

        In spaces too large to enumerate as many uniform combinations climb beside them, for proposals are alike and
        end in few places there. Returns min(num, number legal) distinct combinations: where ascents meet, the
        unrefined proposals fill the places.
        """
        if num < 1:
            raise ConfigError(f"Parameter `k` should be positive. Found `k = {num}`.")
        positions, _ = request.policy.propose(num, rng)
        if refine:
            starts = positions
            if request.space.size_bound > MAX_ENUMERATED:
                starts = np.concatenate([positions, request.space.sample_uniform(rng, num)])
            climbed, _ = coordinate_ascent(request.tables, request.space, starts)
            positions = _distinct(np.concatenate([climbed, positions]))
        positions, uplift = best_first(positions, self.scores(request, positions))
        positions, uplift = positions[:num], uplift[:num]
        return Proposals(
            request.space,
            positions,
            self.rows(request.space, positions),
            uplift,
            self.click_probability(request, uplift),
            request.policy.log_prob(positions),
        )

    def best(self, request: Request, num: int, rng: np.random.Generator) -> tuple[Positions, float]:
        """The serving path: propose `num`, refine all, return the best combination [slot] and its uplift."""
        positions, _ = request.policy.propose(num, rng)
        positions, uplift = coordinate_ascent(request.tables, request.space, positions)
        if self.bound.model.residual is not None:
            uplift = self.scores(request, positions)
        top = int(uplift.argmax())
        return positions[top], float(uplift[top])

    def decide(self, request: Request) -> Decision:
        """The exploring decision with exact propensity; deterministic given model version, product and context.

        The last decisions without pins and exclusions are remembered, so that asking again costs next to nothing.
        """
        if request.encoding is not self._encodings.get(request.product):
            return self._decision(request)
        key = request.product, request.context.tobytes()
        found = self._decisions.get(key)
        if found is None:
            found = self._decision(request)
            self._decisions.put(key, found)
        return found

    def _decision(self, request: Request) -> Decision:
        if request.product in self.products.paused:
            candidates = self._candidates(request)
            best, _ = best_first(candidates, self.scores(request, candidates))
            return Decision.certain(self.decision, best[0], request.policy, request.space)
        own = self.products.minimum_share.get(request.product)
        config = self.decision if own is None else replace(self.decision, minimum_share=own)
        won = winners(*self._drawn(request))
        parts = minimum_share_parts(config, request.space, self.bound.catalogue.element_rows)
        pinned = [
            (share, RequestPolicy(request.encoding, self.network, request.context, space)) for share, space in parts
        ]
        return Decision(config, won, request.policy, request.space, pinned)

    def _candidates(self, request: Request) -> Positions:
        """What a decision chooses among [num, slot]."""
        rng = self.rng("candidates", request.product, request.context.tobytes().hex())
        at = request.tables, request.product, request.context, request.space
        return candidate_set(request.tables, lambda: self._draws.upper_tables(*at), request.space, rng, MAX_ENUMERATED)

    def _drawn(self, request: Request) -> tuple[Positions, Floats]:
        """What posterior draws choose among [num, slot], and the scores of each draw [draw, num]."""
        at = request.tables, request.product, request.context, request.space
        candidates = self._candidates(request)
        drawn = self._draws.scores(*at, candidates, self.decision)
        if self.bound.model.residual is not None:
            drawn = drawn + self.residual_parts(request, candidates).sum(axis=1)[None]
        return candidates, drawn

    def attribution(self, request: Request, positions: Positions) -> Attribution:
        """Exact additive credit of every slot with its interval."""
        return attribute(
            self.bound,
            request.product,
            request.context,
            request.space,
            positions,
            self.residual_parts(request, positions),
        )

    def rng(self, *names: str | int) -> np.random.Generator:
        """The stream of this model version for `names`."""
        return stream(0, self.version, *names)


def _distinct(positions: Positions) -> Positions:
    """Distinct rows in order of first appearance."""
    _, first = np.unique(positions, axis=0, return_index=True)
    return positions[np.sort(first)]


def best_first(positions: Positions, uplift: Floats) -> tuple[Positions, Floats]:
    """Combinations [k, slot] and their uplift [k], best first, equal ones in order of positions.

    Slots of one component make exact ties, which rounding alone tells apart, and differently from process to process.
    What rounding may have parted (neighbours within `ROUNDING` of the largest uplift, at least 1) has one uplift, the
    largest of them.
    """
    falling = np.argsort(-uplift, kind="stable")
    ranked = uplift[falling]
    apart = -np.diff(ranked) > ROUNDING * max(1.0, float(np.abs(ranked).max(initial=0.0)))
    group = np.concatenate([[0], np.cumsum(apart)])[: len(ranked)]
    order = np.lexsort((*positions[falling].T[::-1], group))
    first = np.searchsorted(group, group)
    return positions[falling[order]], ranked[first]
