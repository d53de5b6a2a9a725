"""What an export holds that its store may take back: statuses and rules. They go into the data, so that these can be
used anywhere, and are marked, so that the store takes its own out again when it serves a run that was trained on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl

from genco.data.catalogue import Catalogue
from genco.policies.optimizer import Optimizer

STORE, STATUSES, ELEMENTS, RULES = "store", "own_statuses", "own_elements", "own_rules"
Origin = Mapping[str, str | int | float]


def marks(trained: Optimizer, catalogue: Catalogue, exported: pl.Series, store: str) -> Origin:
    """For the origin of exported data. trained: the run as it was trained · catalogue: its own and what was added,
    without controls · exported: status [element] that is written."""
    mine, origin = is_of(trained, store), trained.meta.origin
    before = unmarked(trained, store, {}).catalogue.elements["status"]  # a row sent again may have made it stricter
    own = pl.concat([before, catalogue.elements["status"][len(before) :]])
    changed = catalogue.elements.select("element_id", status=own).filter(own != exported)
    return {
        STORE: store,
        ELEMENTS: origin[ELEMENTS] if mine else trained.catalogue.num_elements,
        RULES: origin[RULES] if mine else len(trained.catalogue.rules),
        STATUSES: json.dumps(dict(changed.iter_rows())),
    }


def is_of(optimizer: Optimizer, store: str) -> bool:
    """Whether the run was trained on an export of this store."""
    return bool(store) and optimizer.meta.origin.get(STORE) == store


def unmarked(optimizer: Optimizer, store: str, sent: Mapping[str, str]) -> Optimizer:
    """A run trained on an export of this store, as if nothing of the store had gone into it: its own rules, its own
    statuses, and for elements that it has from the store those of `sent` (element id -> status of the row)."""
    if not is_of(optimizer, store):
        return optimizer
    origin, catalogue = optimizer.meta.origin, optimizer.catalogue
    from_store = {
        name: status for name, status in sent.items() if catalogue.element_rows.get(name, -1) >= int(origin[ELEMENTS])
    }
    status = catalogue.status_with({**json.loads(str(origin[STATUSES])), **from_store})
    return optimizer.holding(status, catalogue.rules[: int(origin[RULES])])
