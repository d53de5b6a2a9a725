"""Requests made up from the OpenAPI document: no fault of the service, and no answer the document does not describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from genco.storage.runs import RunFolder
from tests.kits.running_service import KEY, InProcess

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(scope="module")
def api(pairs_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The schema of a service of its own: made-up requests promote models and block elements."""
    store = str(tmp_path_factory.mktemp("openapi") / "store.db")
    with InProcess(pairs_run.path, store, rate_per_second=1_000_000) as running:
        yield schemathesis.openapi.from_asgi("/openapi.json", running.client.app)


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_made_up_requests(case: Any) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {KEY}"}, checks=CHECKS)
