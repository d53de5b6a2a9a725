"""Assets of an advertiser's feed as a catalogue: checked row by row against a profile, pins as rules, no impressions.

A row that breaks a rule is left out, and said with row, field, rule and value. A product that lacks what its profile
needs is left out whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from genco.data.catalogue import APPROVED, BLOCKED, PENDING, Slot
from genco.data.rules import Block, Distinct, Pin, Rule
from genco.errors import DataError
from genco.rng import stable_hash
from genco.storage.dataset import DatasetMeta
from genco.storage.importers.asset_profiles import Kind, Profile
from genco.storage.importers.summary import ImportSummary, RowError
from genco.storage.writer import DatasetWriter

STATUSES = {
    "": APPROVED,
    **dict.fromkeys(("ENABLED", "APPROVED", "ELIGIBLE", "ACTIVE"), APPROVED),
    **dict.fromkeys(("PAUSED", "PENDING", "UNDER_REVIEW", "LIMITED"), PENDING),
    **dict.fromkeys(("BLOCKED", "DISAPPROVED", "REJECTED"), BLOCKED),
}
REMOVED = "REMOVED"


@dataclass(frozen=True)
class AssetRow:
    """One asset of a product as the source names it. row: where it stands · content: its text, or the name of its
    picture · image_uri: of a picture or video; "" = it is a text."""

    row: str
    product_id: str
    field: str
    content: str
    image_uri: str = ""
    pin: str = ""
    status: str = ""

    @property
    def code(self) -> str:
        """Hash of what it shows."""
        return f"{stable_hash(self.content or self.image_uri):016x}"


@dataclass
class _Kept:
    """What is left of the rows. elements: by (product, component), then code."""

    elements: dict[tuple[str, str], dict[str, AssetRow]] = field(default_factory=lambda: defaultdict(dict))
    errors: list[RowError] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def drop(self, reason: str, error: RowError) -> None:
        self.errors.append(error)
        self.dropped[reason] += 1

    def products(self) -> list[str]:
        return list(dict.fromkeys(product for product, _ in self.elements))


def write_assets(
    rows: Sequence[AssetRow],
    profile: Profile,
    source: Path,
    origin: Mapping[str, str],
    notes: tuple[str, ...],
    out: Path,
    overwrite: bool,
) -> ImportSummary:
    """Write the sound rows of the file `source` as a dataset folder without impressions. origin: source and citation.

    Raises `DataError` that lists what is wrong where no product is left.
    """
    kept = _sound(rows, profile)
    _leave_out_incomplete(kept, profile)
    if not kept.elements:
        raise DataError(f"{source}: at least one complete product is expected. {_listed(kept.errors)}")
    name = source.stem
    slots = _slots(kept, profile)
    dropped = dict(kept.dropped)
    written = sum(map(len, kept.elements.values()))
    meta = DatasetMeta(
        name=name,
        slots=slots,
        rules=(*_distinct(profile), *_pins(kept, profile)),
        origin={**origin, "profile": profile.name, **{f"dropped_{reason}": count for reason, count in dropped.items()}},
    )
    with DatasetWriter(out, meta, overwrite=overwrite) as writer:
        writer.write_products(pl.DataFrame({"product_id": kept.products()}))
        writer.write_elements(_elements(kept))
    pins = sum(isinstance(rule, (Pin, Block)) for rule in meta.rules)
    said = (f"profile {profile.name}; no impressions, as counts of assets are not counts of combinations", *notes)
    said += (f"{pins} rules from pins",) if pins else ()
    return ImportSummary(
        name, len(rows), written, dropped, f"{origin['source']}. {origin['citation']}", said, tuple(kept.errors)
    )


def _sound(rows: Iterable[AssetRow], profile: Profile) -> _Kept:
    """The rows that break no rule by themselves or by their number."""
    kept = _Kept()
    for row in rows:
        kind = profile.kind_of(row.field)
        fault = _fault(row, kind, profile)
        if fault is not None:
            kept.drop(*fault)
            continue
        assert kind is not None
        group = kept.elements.get((row.product_id, kind.component), {})
        if row.code in group and group[row.code].pin == row.pin:
            kept.dropped["merged_same_content"] += 1
        elif row.code in group:
            kept.drop("pinned_twice", RowError(row.row, "pin", f"one place for {row.content!r}", row.pin))
        elif kind.most is not None and len(group) >= kind.most:
            kept.drop("too_many", RowError(row.row, row.field, f"at most {kind.most} of a product", row.content))
        else:
            kept.elements[row.product_id, kind.component][row.code] = row
    return kept


def _fault(row: AssetRow, kind: Kind | None, profile: Profile) -> tuple[str, RowError] | None:
    """Why the row cannot be kept: a reason to count it under, and the error."""
    if row.status.upper() == REMOVED:
        return "removed", RowError(row.row, "status", "removed assets are left out", row.status)
    if kind is None:
        known = ", ".join(name for entry in profile.kinds for name in entry.fields)
        return "not_in_profile", RowError(row.row, "field", f"one of {known}", row.field)
    if not (row.content.strip() or row.image_uri.strip()):
        return "empty", RowError(row.row, row.field, "content is expected", row.content)
    width = 0 if row.image_uri else profile.width(row.content)
    if kind.max_width is not None and width > kind.max_width:
        rule = f"at most {kind.max_width} characters, found {width}"
        return "too_long", RowError(row.row, row.field, rule, row.content)
    if row.pin and row.pin not in [slot.name.upper() for slot in kind.slots if len(kind.slots) > 1]:
        return "unknown_pin", RowError(row.row, "pin", f"a place of {kind.component}", row.pin)
    if row.status.upper().replace(" ", "_") not in STATUSES:
        return "unknown_status", RowError(row.row, "status", f"one of {', '.join(filter(None, STATUSES))}", row.status)
    return None


def _leave_out_incomplete(kept: _Kept, profile: Profile) -> None:
    """Drop products that lack what the profile needs, or whose pins leave a slot without an element."""
    for product in kept.products():
        for kind in profile.kinds:
            error = _lack(product, kind, list(kept.elements.get((product, kind.component), {}).values()))
            if error is not None:
                kept.errors.append(error)
                for key in [key for key in kept.elements if key[0] == product]:
                    kept.dropped["incomplete_product"] += len(kept.elements.pop(key))
                break


def _lack(product: str, kind: Kind, rows: Sequence[AssetRow]) -> RowError | None:
    """What the product lacks of one kind. rows: its elements."""
    approved = [row for row in rows if _status(row) == APPROVED]
    required = [slot for slot in kind.slots if slot.required and kind.least]
    if len(rows) < kind.least:
        return RowError("", kind.component, f"at least {kind.least} of a product", f"{len(rows)} of {product}")
    if len(approved) < len(required):
        rule = f"at least {len(required)} approved of a product"
        return RowError("", kind.component, rule, f"{len(approved)} of {product}")
    free = [slot for slot in required if slot.name.upper() not in {row.pin for row in approved}]
    unpinned = sum(not row.pin for row in approved)
    if unpinned < len(free):
        return RowError("", free[unpinned].name, "an element that is not pinned elsewhere", f"none of {product}")
    return None


def _pins(kept: _Kept, profile: Profile) -> list[Rule]:
    """Pins as rules of their product: one pinned element is pinned; of several, all others are blocked in the slot."""
    rules: list[Rule] = []
    for (product, component), group in kept.elements.items():
        kind = next(kind for kind in profile.kinds if kind.component == component)
        rows = list(group.values())
        if not any(row.pin for row in rows):
            continue
        for slot in kind.slots:
            pinned = [row for row in rows if row.pin == slot.name.upper() and _status(row) == APPROVED]
            if len(pinned) == 1:
                rules.append(Pin(slot.name, _element_id(component, pinned[0]), product))
                continue
            others = [row for row in rows if row.pin != slot.name.upper() and (pinned or row.pin)]
            rules += [Block(_element_id(component, row), slot.name, product) for row in others]
    return rules


def _distinct(profile: Profile) -> list[Rule]:
    return [Distinct(tuple(slot.name for slot in kind.slots)) for kind in profile.kinds if len(kind.slots) > 1]


def _slots(kept: _Kept, profile: Profile) -> tuple[Slot, ...]:
    """Slots of the components that any product has; required only where every product has an approved element."""
    have: dict[str, set[str]] = defaultdict(set)
    for (product, component), group in kept.elements.items():
        if any(_status(row) == APPROVED for row in group.values()):
            have[component].add(product)
    num_products = len(kept.products())
    present = {component for _, component in kept.elements}
    return tuple(
        replace(slot, required=slot.required and len(have[slot.component]) == num_products)
        for slot in profile.slots
        if slot.component in present
    )


def _elements(kept: _Kept) -> pl.DataFrame:
    rows = [(component, row) for (_, component), group in kept.elements.items() for row in group.values()]
    return pl.DataFrame(
        {
            "element_id": [_element_id(component, row) for component, row in rows],
            "product_id": [row.product_id for _, row in rows],
            "component": [component for component, _ in rows],
            "text": pl.Series([None if row.image_uri else row.content for _, row in rows], dtype=pl.String),
            "image_uri": pl.Series([row.image_uri or None for _, row in rows], dtype=pl.String),
            "status": [_status(row) for _, row in rows],
        }
    )


def _element_id(component: str, row: AssetRow) -> str:
    return f"{row.product_id}-{component}-{row.code}"


def _status(row: AssetRow) -> str:
    return STATUSES[row.status.upper().replace(" ", "_")]


def _listed(errors: Sequence[RowError], num: int = 5) -> str:
    shown = "; ".join(map(str, errors[:num])) or "no row"
    return f"Found none: {shown}{f'; and {len(errors) - num} more' if len(errors) > num else ''}."
