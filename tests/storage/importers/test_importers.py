"""The table of importers."""

from __future__ import annotations

import inspect

import pytest

from genco.storage.importers import IMPORTERS


@pytest.mark.parametrize("name", sorted(IMPORTERS))
def test_every_importer_takes_the_same_four_arguments(name: str) -> None:
    parameters = list(inspect.signature(IMPORTERS[name]).parameters.values())
    assert [parameter.name for parameter in parameters[:4]] == ["source", "out", "num_impressions", "seed"]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters[4:])
    assert IMPORTERS[name].__doc__


def test_published_formats_are_there() -> None:
    assert {"upworthy", "aes", "autoco", "obd"} <= set(IMPORTERS)
