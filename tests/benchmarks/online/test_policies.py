"""Every registered policy passes the kit."""

from __future__ import annotations

import pytest
from tests.kits.online_policy import check_online_policy

from genco.benchmarks.online.policies import POLICIES


@pytest.mark.parametrize("name", POLICIES)
def test_conforms(name: str) -> None:
    if name.startswith("mabwiser"):
        pytest.importorskip("mabwiser")
    check_online_policy(POLICIES[name], learns=name != "uniform")
