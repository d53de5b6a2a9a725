"""What other versions of the model would have earned, by the log. Computed when it is asked for: it takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

from genco.serving import registry
from genco.serving.report_schemas import PolicyAnswer
from genco.serving.routes.policy_report import policy_report
from genco.studio.studio import Studio

ROWS = (500, 2_000, 10_000)


@dataclass(frozen=True)
class Policy:
    """rows: decisions asked for, None = nothing was asked yet · version: "" = those in service and the newest runs ·
    versions: that can be asked for."""

    rows: int | None
    version: str
    versions: tuple[str, ...]
    found: PolicyAnswer | None


def policy(studio: Studio, version: str, rows: int | None) -> Policy:
    """Values on the last `rows` settled decisions. Raises `ApiError` 404 for an unknown version, 422 for a damaged
    one."""
    service = studio.service
    found = None if rows is None else policy_report(service, version or None, rows)
    return Policy(rows, version, tuple(entry.version for entry in registry.versions(service.engine)), found)
