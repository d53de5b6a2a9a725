"""What is handed to the audit."""

from __future__ import annotations

from tools.audit import requirements


def test_public_versions_of_everything_but_ourselves() -> None:
    installed = [("torch", "2.13.0+cpu"), ("genco", "0.1"), ("numpy", "2.1"), ("numpy", "2.1")]
    assert requirements(installed) == ["numpy==2.1", "torch==2.13.0"]
