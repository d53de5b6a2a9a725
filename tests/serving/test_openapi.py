"""Requests made up from the OpenAPI document: no fault of the service, and no answer the document does not describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.kits.running_service import KEY, InProcess

from genco.storage.runs import RunFolder

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


def test_made_up_requests(pairs_run: RunFolder, tmp_path: Path) -> None:
    make_up(pairs_run, tmp_path, 3)


@pytest.mark.soak
def test_many_made_up_requests(pairs_run: RunFolder, tmp_path: Path) -> None:
    make_up(pairs_run, tmp_path, 200)


def make_up(run: RunFolder, folder: Path, num: int) -> None:
    """`num` requests of every operation, to a service of its own: they promote models and block elements."""
    with InProcess(run.path, str(folder / "store.db"), rate_per_second=1_000_000) as running:
        schema = schemathesis.openapi.from_asgi("/openapi.json", running.client.app)
        operations = [found.ok() for found in schema.get_all_operations()]
        assert len(operations) >= 24
        for operation in operations:
            check(operation, num)


def check(operation: Any, num: int) -> None:
    @settings(max_examples=num, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS)

    run()
