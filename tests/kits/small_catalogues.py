"""Small random catalogues with rules of all six kinds, and their legal combinations the slow way, rule by rule."""

from __future__ import annotations

from itertools import product as every

import polars as pl
from hypothesis import strategies as st

from genco.data.catalogue import EMPTY, Catalogue, Slot
from genco.data.rules import Allow, Block, Distinct, Forbid, Only, Pin, Rule

Combination = tuple[int, ...]
PRODUCTS = ("p0", "p1")


def catalogue_of(
    slots: tuple[Slot, ...], elements: list[tuple[str, str | None, str, str]], rules: tuple[Rule, ...] = ()
) -> Catalogue:
    """A catalogue of products p0 and p1; elements: (element_id, product_id, component, status)."""
    table = pl.DataFrame(elements, schema=["element_id", "product_id", "component", "status"], orient="row")
    table = table.with_columns(pl.col("product_id").cast(pl.String), text=pl.lit(""), image_uri=pl.lit(""))
    return Catalogue(slots, pl.DataFrame({"product_id": PRODUCTS}), table, rules)


@st.composite
def small_catalogues(draw: st.DrawFn, max_slots: int = 5, max_rules: int = 5) -> Catalogue:
    """Up to five slots over up to three components of up to four elements, some shared, some not approved."""
    num_slots = draw(st.integers(1, max_slots))
    components = [draw(st.sampled_from("abc")) for _ in range(num_slots)]
    slots = tuple(Slot(f"s{i}", c, draw(st.integers(0, 3)) > 0) for i, c in enumerate(components))
    elements: list[tuple[str, str | None, str, str]] = [("x0", "p1", components[0], "approved")]
    for component in dict.fromkeys(components):
        for i in range(draw(st.integers(1, 4))):
            owner = draw(st.sampled_from(["p0", "p0", "p0", "p1", None]))
            status = draw(st.sampled_from(["approved"] * 7 + ["pending"]))
            elements.append((f"{component}{i}", owner, component, status))
    rules = tuple(draw(st.lists(rules_over(slots, elements), max_size=max_rules)))
    return catalogue_of(slots, elements, rules)


def rules_over(slots: tuple[Slot, ...], elements: list[tuple[str, str | None, str, str]]) -> st.SearchStrategy[Rule]:
    """Rules that mostly make sense: the elements named with a slot are of its component."""
    ids = {slot.name: [e[0] for e in elements if e[2] == slot.component] for slot in slots}
    name, element = st.sampled_from(list(ids)), st.sampled_from([e[0] for e in elements])
    product = st.sampled_from([None, "p0", "p0", "p1"])
    pairs = st.lists(st.tuples(element, element), min_size=1, max_size=12).map(tuple)
    forbid = st.builds(Forbid, pairs, product)
    placed = st.one_of([st.tuples(st.just(slot), st.sampled_from(known)) for slot, known in ids.items()])
    shown = [st.sampled_from(ids[s.name] if s.required else [*ids[s.name], None]) for s in slots]
    listed = st.lists(st.tuples(*shown), min_size=1, max_size=40).map(tuple)
    some = st.lists(name, min_size=1, max_size=4).map(tuple)
    kinds: list[st.SearchStrategy[Rule]] = [
        forbid,
        forbid,
        st.builds(Distinct, some),
        st.builds(lambda at, p: Pin(*at, p), placed, product),
        st.builds(lambda at, p: Block(at[1], at[0], p), placed, product),
        st.builds(Block, element, st.none(), product),
        st.builds(Only, st.sampled_from(["p0", "p0", "p1"]), listed),
    ]
    if len(slots) > 1:
        kinds.append(_allows(ids, product))
    return st.one_of(kinds)


def _allows(ids: dict[str, list[str]], product: st.SearchStrategy[str | None]) -> st.SearchStrategy[Rule]:
    def between(names: list[str]) -> st.SearchStrategy[Rule]:
        first, second = (st.sampled_from([*ids[name], *ids[name], ""]) for name in names)
        pairs = st.lists(st.tuples(first, second), min_size=4, max_size=25).map(tuple)
        return st.builds(Allow, st.just((names[0], names[1])), pairs, product)

    return st.lists(st.sampled_from(list(ids)), min_size=2, max_size=2, unique=True).flatmap(between)


def legal_the_slow_way(
    catalogue: Catalogue,
    product: int,
    pinned: dict[str, str] | None = None,
    excluded: tuple[str, ...] = (),
) -> set[Combination]:
    """Every legal combination of element rows, by asking each rule about each combination."""
    product_id = PRODUCTS[product]
    asked: list[Rule] = [Pin(slot, element, product_id) for slot, element in (pinned or {}).items()]
    asked += [Block(element, None, product_id) for element in excluded]
    pools = [catalogue.candidates(product, slot).tolist() for slot in range(catalogue.num_slots)]
    rules = [*catalogue.rules, *asked]
    return {c for c in every(*pools) if all(_keeps(catalogue, product_id, rule, c) for rule in rules)}


def _keeps(catalogue: Catalogue, product_id: str, rule: Rule, combination: Combination) -> bool:
    names = [slot.name for slot in catalogue.slots]
    shown = [None if row == EMPTY else catalogue.elements["element_id"][row] for row in combination]
    by_slot = dict(zip(names, shown, strict=True))
    if isinstance(rule, Distinct):
        seen = [by_slot[slot] for slot in set(rule.slots) if by_slot[slot] is not None]
        return len(seen) == len(set(seen))
    bound = rule.product_id
    if isinstance(rule, (Pin, Block)) and bound is None:
        bound = catalogue.elements["product_id"][catalogue.element_rows[rule.element]]
    if bound not in (None, product_id):
        return True
    if isinstance(rule, Pin):
        return by_slot[rule.slot] == rule.element
    if isinstance(rule, Block):
        return rule.element not in ([by_slot[rule.slot]] if rule.slot is not None else shown)
    if isinstance(rule, Only):
        return tuple(shown) in rule.combinations
    if isinstance(rule, Allow):
        return (by_slot[rule.slots[0]] or "", by_slot[rule.slots[1]] or "") in rule.pairs
    return not any(
        shown[i] == a and shown[j] == b
        for a, b in rule.pairs
        for i in range(len(shown))
        for j in range(len(shown))
        if i != j
    )
