"""A trained run, ready to answer: the object `genco.train` and `genco.load` return."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from genco.data.catalogue import Catalogue, Slot
from genco.data.rules import Rule
from genco.errors import UnknownIdError
from genco.policies.generative import GenerativePolicy, Request
from genco.runtime.attribution import Attribution
from genco.runtime.decision import DecisionConfig, ProductDecisions
from genco.runtime.encoding import EncodedCatalogue, Encoders, encode_catalogue
from genco.runtime.event_value import EventValue
from genco.runtime.model_arrays import generator_arrays, generator_from, reward_model_arrays, reward_model_from
from genco.runtime.product_encoding import GeneratorWeights
from genco.runtime.reward_model import RewardModel
from genco.storage.dataset_toml import DatasetMeta
from genco.storage.run_catalogue import read_catalogue, text_of
from genco.storage.runs import RunFolder


@dataclass(frozen=True)
class ElementCredit:
    """Credit of one element in one combination, in logits: own + interaction + residual = total.

    The totals of a combination's slots add up to its uplift. own: of the element by itself · interaction: half of each
    of its pairs · residual: its share of the attention residual, 0 without one · low, high: 95% interval of the total ·
    element_id: None for the empty element · text: None where the element has none.
    """

    slot: str
    element_id: str | None
    text: str | None
    own: float
    interaction: float
    residual: float
    total: float
    low: float
    high: float


@dataclass(frozen=True)
class Proposal:
    """One ranked combination. combination: slot name -> element id (None = empty) · uplift: logits above the average
    creative · click_probability: of the event that the run learned, a click or a conversion · propensity: under the
    exploring decision policy · log_prob: of the generator · expected_revenue: of an impression, None unless the run was
    trained on revenue."""

    combination: dict[str, str | None]
    uplift: float
    click_probability: float
    propensity: float
    log_prob: float
    attribution: tuple[ElementCredit, ...]
    expected_revenue: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "combination": self.combination,
            "uplift": self.uplift,
            "click_probability": self.click_probability,
            "expected_revenue": self.expected_revenue,
            "propensity": self.propensity,
            "log_prob": self.log_prob,
            "attribution": [vars(credit) for credit in self.attribution],
        }


class Optimizer:
    """A run on a catalogue: the run's own, or a later one given to `on`.

    meta.reward: the events whose rate the run learned · value: of one event, None unless it was trained on revenue.
    """

    def __init__(
        self,
        run: RunFolder,
        model: RewardModel,
        network: GeneratorWeights,
        encoders: Encoders,
        meta: DatasetMeta,
        encoded: EncodedCatalogue,
        value: EventValue | None = None,
    ) -> None:
        self.run, self.model, self.network, self.encoders = run, model, network, encoders
        self.meta, self.encoded, self.value = meta, encoded, value
        self.catalogue = encoded.catalogue

    @cached_property
    def policy(self) -> GenerativePolicy:
        """The torch-free policy, deciding as the run's configuration says."""
        encoded = self.encoded
        bound = self.model.bind(encoded.catalogue, encoded.content, encoded.kinds, encoded.products)
        decision = DecisionConfig(**self.run.info["config"]["decision"])
        return GenerativePolicy(bound, self.network, decision, version=model_version(self.model, self.network))

    def on(self, catalogue: Catalogue, meta: DatasetMeta | None = None) -> Optimizer:
        """The same run on another catalogue; elements and products it never saw fall back on content and features.

        The reward stays that of the run, whatever `meta` says of another.
        Raises `UnknownIdError` where slots or their components are not those of the run.
        """
        _require_slots(self.catalogue.slots, catalogue.slots)
        encoded = encode_catalogue(catalogue, self.encoders, text_of(self.run))
        meta = self.meta if meta is None else replace(meta, reward=self.meta.reward)
        return Optimizer(self.run, self.model, self.network, self.encoders, meta, encoded, self.value)

    def with_rows(self, products: pl.DataFrame, elements: pl.DataFrame, rules: tuple[Rule, ...]) -> Optimizer:
        """The same run with further products, elements and rules after those of its catalogue; only they are encoded.

        products, elements: with the catalogue's columns. Raises `GencoError` where a text cannot be encoded.
        """
        own, encoded = self.catalogue, self.encoded
        catalogue = replace(
            own,
            products=pl.concat([own.products, products]),
            elements=pl.concat([own.elements, elements]),
            rules=(*own.rules, *rules),
        )
        alone = replace(own, products=products, elements=elements, rules=())
        new = encode_catalogue(alone, self.encoders, text_of(self.run))
        grown = EncodedCatalogue(
            catalogue,
            np.concatenate([encoded.content, new.content]),
            np.concatenate([encoded.kinds, new.kinds]),
            np.concatenate([encoded.products, new.products]),
        )
        meta = replace(self.meta, rules=catalogue.rules)
        return Optimizer(self.run, self.model, self.network, self.encoders, meta, grown, self.value)

    def holding(self, status: pl.Series, rules: tuple[Rule, ...]) -> Optimizer:
        """The same run with elements of another status [element] and other rules; nothing is encoded again."""
        encoded = replace(self.encoded, catalogue=self.catalogue.under(status, rules))
        meta = replace(self.meta, rules=rules)
        return Optimizer(self.run, self.model, self.network, self.encoders, meta, encoded, self.value)

    def under(self, catalogue: Catalogue, decision: DecisionConfig, products: ProductDecisions) -> Optimizer:
        """The same run deciding otherwise. catalogue: with the same elements and products, of other status or rules;
        nothing is encoded again."""
        encoded = replace(self.encoded, catalogue=catalogue)
        made = Optimizer(self.run, self.model, self.network, self.encoders, self.meta, encoded, self.value)
        made.policy = self.policy.under(catalogue, decision, products)
        return made

    def context(self, values: Mapping[str, Any] | None = None) -> NDArray[np.float32]:
        """Encode one request's context [num_context]. A column not given counts as average (zeros).

        Raises `UnknownIdError` for a column the run does not have.
        """
        names = self.meta.context
        for name in values or {}:
            if name not in names:
                raise UnknownIdError(f"Unknown context column {name!r}. The run has: {', '.join(names) or 'none'}.")
        encoded = np.zeros(self.encoders.context.dim, dtype=np.float32)
        if values:
            encoded += self.encoders.context.transform_some(values)
        return encoded

    def request(
        self,
        product_id: str,
        context: Mapping[str, Any] | None = None,
        pinned: Mapping[str, str] | None = None,
        excluded: Iterable[str] = (),
    ) -> Request:
        """Prepare a request for `product_id`. Arguments and errors as those of `generate`."""
        product = self.catalogue.product_row(product_id)
        return self.policy.request(product, self.context(context), pinned, frozenset(excluded))

    def generate(
        self,
        product_id: str,
        context: Mapping[str, Any] | None = None,
        k: int = 10,
        pinned: Mapping[str, str] | None = None,
        excluded: Iterable[str] = (),
        seed: int = 0,
    ) -> list[Proposal]:
        """K distinct legal combinations, best first, each with score, probability, propensity and exact attribution.

        context: column -> value, a column left out counts as average · pinned: slot name -> element id it must show ·
        excluded: element ids not to show · seed: of the proposals drawn; equal arguments give equal answers. Returns
        fewer than `k` only where fewer are legal. Raises `UnknownIdError` for a product, context column, slot or
        element the run does not have, `RuleError` naming the rule that leaves nothing, `ConfigError` if `k` is below 1.
        """
        request = self.request(product_id, context, pinned, excluded)
        proposals = self.policy.propose(request, k, self.policy.rng("generate", product_id, seed))
        propensity = self.policy.decide(request).propensity(proposals.positions)
        attribution = self.policy.attribution(request, proposals.positions)
        worth = None if self.value is None else self.value.of(product_id)
        low, high = attribution.interval()
        return [
            Proposal(
                combination=dict(zip(self.slot_names, self.catalogue.combination_ids(proposals.rows[i]), strict=True)),
                uplift=float(proposals.uplift[i]),
                click_probability=float(proposals.click_probability[i]),
                propensity=float(propensity[i]),
                log_prob=float(proposals.log_prob[i]),
                attribution=self._credits(proposals.rows[i], attribution, low, high, i),
                expected_revenue=None if worth is None else float(proposals.click_probability[i]) * worth,
            )
            for i in range(len(proposals.rows))
        ]

    @property
    def slot_names(self) -> tuple[str, ...]:
        """In the order of combinations."""
        return tuple(slot.name for slot in self.catalogue.slots)

    def _credits(
        self,
        rows: NDArray[np.int32],
        attribution: Attribution,
        low: NDArray[np.float32],
        high: NDArray[np.float32],
        i: int,
    ) -> tuple[ElementCredit, ...]:
        texts = self.catalogue.elements["text"] if "text" in self.catalogue.elements.columns else None
        ids = self.catalogue.combination_ids(rows)
        return tuple(
            ElementCredit(
                slot=name,
                element_id=ids[c],
                text=None if texts is None or rows[c] < 0 else texts[int(rows[c])],
                own=float(attribution.own[i, c]),
                interaction=float(attribution.interaction[i, c]),
                residual=float(attribution.residual[i, c]),
                total=float(attribution.total[i, c]),
                low=float(low[i, c]),
                high=float(high[i, c]),
            )
            for c, name in enumerate(self.slot_names)
        )


def _require_slots(wanted: tuple[Slot, ...], found: tuple[Slot, ...]) -> None:
    """Raise `UnknownIdError` unless the slots have the names and components the run was trained with, in order."""
    names, others = [slot.name for slot in wanted], [slot.name for slot in found]
    if names != others:
        raise UnknownIdError(f"The slots of the data should be those of the run: {names}. Found {others}.")
    for ours, theirs in zip(wanted, found, strict=True):
        if ours.component != theirs.component:
            raise UnknownIdError(
                f"Slot {ours.name!r} should show the component {ours.component!r}, as in the run. "
                f"Found {theirs.component!r}."
            )


def model_version(model: RewardModel, network: GeneratorWeights) -> str:
    """Name of a model by its contents: another seed, configuration or starting point gives another version."""
    digest = hashlib.blake2b(digest_size=8)
    for arrays, description in (reward_model_arrays(model), generator_arrays(network)):
        for name in sorted(arrays):
            digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
        digest.update(json.dumps(description, sort_keys=True).encode())
    return digest.hexdigest()


def optimizer_of(run: RunFolder) -> Optimizer:
    """What an opened, finished run answers with, on the catalogue it was trained with. Raises `CheckpointError`."""
    model = reward_model_from(*run.load_arrays("reward_model"))
    network = generator_from(*run.load_arrays("generator"))
    encoders = Encoders.from_dict(run.read_json("encoders.json"))
    catalogue, meta = read_catalogue(run)
    value = EventValue.from_arrays(*run.load_arrays("value")) if "value" in run.info["measured"] else None
    return Optimizer(run, model, network, encoders, meta, encode_catalogue(catalogue, encoders, text_of(run)), value)


def load(run: str | Path) -> Optimizer:
    """Open a finished run on the catalogue it was trained with. Raises `CheckpointError`."""
    return optimizer_of(RunFolder.open(Path(run)))
