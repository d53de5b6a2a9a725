"""What one page reads: model, catalogue and counts of one moment."""

from __future__ import annotations

from dataclasses import dataclass

from genco.policies.optimizer import Optimizer
from genco.studio.catalogue_index import CatalogueIndex
from genco.studio.tally import Counts


@dataclass(frozen=True)
class View:
    """counts: by rows of the index's catalogue · root: version of the run that the model stems from."""

    optimizer: Optimizer
    index: CatalogueIndex
    counts: Counts
    root: str
