"""The changes in force, folded into one state, and a run that obeys it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from genco.data.catalogue import Catalogue
from genco.data.rules import Block, Forbid, Pin, Rule
from genco.policies.optimizer import Optimizer
from genco.runtime.decision import DecisionConfig, ProductDecisions
from genco.serving.additions import Additions
from genco.serving.changes import Change, MinimumShare, PauseExploration, SetStatus

Shares = Mapping[str, float]


@dataclass(frozen=True)
class ControlState:
    """statuses: element id -> status, over the catalogue's own · rules: beside the catalogue's · shares: product id
    (None = all) -> element id -> minimum share · paused: products that do not explore."""

    statuses: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    shares: Mapping[str | None, Shares] = field(default_factory=dict)
    paused: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CatalogueState:
    """controls: in force · additions: to the run's catalogue · version: counts the changes."""

    controls: ControlState = field(default_factory=ControlState)
    additions: Additions = field(default_factory=Additions)
    version: int = 0


def state_of(changes: Iterable[Change]) -> ControlState:
    """Fold changes in order of time: of two that set the same thing, the later one holds."""
    statuses: dict[str, str] = {}
    rules: list[Rule] = []
    shares: dict[str | None, dict[str, float]] = {}
    paused: set[str] = set()
    for change in changes:
        if isinstance(change, SetStatus):
            statuses.update(dict.fromkeys(change.element_ids, change.status))
        elif isinstance(change, MinimumShare):
            shares.setdefault(change.product_id, {})[change.element_id] = change.share
        elif isinstance(change, PauseExploration):
            paused.add(change.product_id)
        else:
            rules.append(change.rule)
    return ControlState(statuses, tuple(dict.fromkeys(rules)), shares, frozenset(paused))


def governed(optimizer: Optimizer, state: ControlState) -> Optimizer:
    """The run under the state. What names a slot, element or product that the run does not have rests.

    Shares that another run's epsilon leaves no room for shrink in proportion.
    """
    if state == ControlState():
        return optimizer
    catalogue = optimizer.catalogue
    rules = tuple(rule for rule in state.rules if _is_known(rule, catalogue))
    catalogue = catalogue.under(catalogue.status_with(state.statuses), (*catalogue.rules, *rules))
    config = decision_of(optimizer)
    everywhere, by_product = shares_of(catalogue, config.minimum_share, state.shares)
    room = 1.0 - config.epsilon
    by_product = {row: _fitted(shares, room) for row, shares in by_product.items()}
    products = ProductDecisions(
        by_product, frozenset(catalogue.product_rows[name] for name in state.paused if name in catalogue.product_rows)
    )
    return optimizer.under(catalogue, replace(config, minimum_share=_fitted(everywhere, room)), products)


def decision_of(optimizer: Optimizer) -> DecisionConfig:
    """How the run itself decides, whatever was changed since."""
    return DecisionConfig(**optimizer.run.info["config"]["decision"])


def shares_of(
    catalogue: Catalogue, own: Shares, asked: Mapping[str | None, Shares]
) -> tuple[Shares, dict[int, Shares]]:
    """Minimum shares of shared elements for every product, and by product row all shares of a product that has more.

    own: the run's own. A share asked for one product comes before one for all, and that before the run's.
    """
    everyone = {**own, **asked.get(None, {})}
    shared: dict[str, float] = {}
    by_product: dict[int, dict[str, float]] = {}
    for element, share in everyone.items():
        row = catalogue.element_rows.get(element)
        if row is None:
            continue
        owner = int(catalogue.element_product[row])
        (shared if owner < 0 else by_product.setdefault(owner, {}))[element] = share
    for product_id, shares in asked.items():
        product = None if product_id is None else catalogue.product_rows.get(product_id)
        if product is not None:
            by_product.setdefault(product, {}).update(shares)
    return shared, {row: {**shared, **shares} for row, shares in by_product.items()}


def _fitted(shares: Shares, room: float) -> Shares:
    total = sum(shares.values())
    return shares if total <= room else {element: share * room / total for element, share in shares.items()}


def _is_known(rule: Rule, catalogue: Catalogue) -> bool:
    assert isinstance(rule, (Pin, Block, Forbid))
    elements = rule.pairs[0] if isinstance(rule, Forbid) else (rule.element,)
    slots = {slot.name for slot in catalogue.slots}
    return (
        all(element in catalogue.element_rows for element in elements)
        and (rule.product_id is None or rule.product_id in catalogue.product_rows)
        and (not isinstance(rule, Pin) or rule.slot in slots)
    )
