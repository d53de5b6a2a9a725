"""JSON has no NaN, no infinity and no numpy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from genco.cli.output import number, plain, show


def test_plain() -> None:
    values = {
        "nan": float("nan"),
        "infinite": [np.float32("inf"), -np.inf],
        "numpy": np.int32(3),
        "array": np.array([1.0, np.nan]),
        "flag": np.True_,
        "path": Path("a"),
        "nested": ({"x": None},),
    }
    assert plain(values) == {
        "nan": None,
        "infinite": [None, None],
        "numpy": 3,
        "array": [1.0, None],
        "flag": True,
        "path": "a",
        "nested": [{"x": None}],
    }


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    show({"title": "Grün 绿\n"}, "text", as_json=True)
    show({}, "text", as_json=False)
    first, second = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"title": "Grün 绿\n"}
    assert second == "text"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (True, "yes"),
        (12345, "12,345"),
        (0.12345, "0.1235"),
        (54321.5, "54,322"),
        ("a", "a"),
    ],
)
def test_number(value: object, shown: str) -> None:
    assert number(value) == shown
