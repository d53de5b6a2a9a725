"""Candidates that a request brings along: read, put beside the catalogue for this request, and kept once a set.

A decision's row names its set by digest, so that learning and export find the content of what was shown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from genco.data.catalogue import ELEMENT_COLUMNS, Catalogue
from genco.errors import GencoError
from genco.policies.inline import with_candidates
from genco.policies.optimizer import Optimizer
from genco.serving.additions import AddedElement, AddedProduct, table_like
from genco.serving.additions_checks import feature_faults
from genco.serving.errors import ApiError
from genco.serving.schemas import Candidate, SlotCandidates
from genco.serving.tables import candidate_sets

_CHUNK = 500


@dataclass(frozen=True)
class CandidateSet:
    """Elements that a request brought along for one product. digest: of them all."""

    digest: str
    elements: tuple[AddedElement, ...]

    @property
    def body(self) -> str:
        return json.dumps([element.model_dump(mode="json") for element in self.elements])


def candidate_set_of(product_id: str, slots: Sequence[SlotCandidates], catalogue: Catalogue) -> CandidateSet | None:
    """The candidates with content that the catalogue does not have; None where there are none.

    Raises `ApiError` 422 for an unknown slot, content that does not fit, and one id with two contents.
    """
    found: dict[str, AddedElement] = {}
    components = {slot.name: slot.component for slot in catalogue.slots}
    for slot in slots:
        for candidate in slot.candidates:
            if candidate.has_content and candidate.id not in catalogue.element_rows:
                if slot.id not in components:
                    raise ApiError(422, "unknown_id", f"The run has no slot {slot.id!r} (`slots`).")
                element = _element(candidate, product_id, components[slot.id])
                if found.setdefault(candidate.id, element) != element:
                    message = f"Candidate {candidate.id!r} should have one content and one component."
                    raise ApiError(422, "candidates_differ", message)
    if not found:
        return None
    elements = tuple(found.values())
    features = [element.features for element in elements]
    faults = list(feature_faults("candidates", features, catalogue.elements, ELEMENT_COLUMNS))
    if faults:
        raise ApiError(422, "invalid_rows", faults[0].message, rows=tuple(faults[:100]))
    body = "\x1f".join(element.model_dump_json() for element in elements)
    return CandidateSet(hashlib.blake2b(body.encode(), digest_size=16).hexdigest(), elements)


def beside(optimizer: Optimizer, product_id: str, candidates: CandidateSet) -> Optimizer:
    """The run on this product with these candidates. Raises `ApiError` 422 where their text cannot be encoded now."""
    catalogue = optimizer.catalogue
    has_text = any(element.text for element in candidates.elements)
    if has_text and optimizer.run.info["config"]["text"] == "minilm":
        raise ApiError(422, "text_unusable", "This run reads texts with MiniLM, which takes too long for a request.")
    try:
        return with_candidates(
            optimizer,
            table_like(catalogue.products, [AddedProduct(product_id=product_id).row]),
            table_like(catalogue.elements, [element.row for element in candidates.elements]),
        )
    except GencoError as error:
        raise ApiError(422, "text_unusable", str(error)) from error


def keep(connection: Connection, candidates: CandidateSet) -> None:
    """Write the set unless it is there. In a transaction that has written a decision with it: see `retention`."""
    known = select(candidate_sets.c.digest).where(candidate_sets.c.digest == candidates.digest)
    if connection.execute(known.with_for_update(read=True, key_share=True)).first() is None:
        connection.execute(insert(candidate_sets).values(digest=candidates.digest, body=candidates.body))


def read_sets(connection: Connection, digests: Iterable[str]) -> dict[str, CandidateSet]:
    """Sets by digest."""
    found: dict[str, CandidateSet] = {}
    wanted = sorted(set(digests))
    for start in range(0, len(wanted), _CHUNK):
        some = select(candidate_sets).where(candidate_sets.c.digest.in_(wanted[start : start + _CHUNK]))
        for digest, body in connection.execute(some):
            found[digest] = CandidateSet(digest, tuple(AddedElement(**row) for row in json.loads(body)))
    return found


def _element(candidate: Candidate, product_id: str, component: str) -> AddedElement:
    content: dict[str, Any] = {"text": candidate.text, "features": candidate.features}
    return AddedElement(
        element_id=candidate.id, product_id=product_id, component=component, status="approved", **content
    )
