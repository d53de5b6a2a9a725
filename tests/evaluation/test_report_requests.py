"""Requests are those of the log: one for every row shown, the most frequent context by impressions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from genco.data.batch import ImpressionBatch
from genco.evaluation.report_requests import frequent_request, logged_requests

SEGMENTS = np.array(["new", "old", "old", "new"])


def logged() -> tuple[Any, list[Any]]:
    none = np.zeros(4, dtype=np.float32)
    batch = ImpressionBatch(
        np.array([0, 0, 0, 1], dtype=np.int32),
        np.zeros((4, 1), dtype=np.int32),
        np.array([5, 2, 2, 0], dtype=np.float32),
        none,
        none,
        np.zeros(4, dtype=np.int64),
        {"segment": SEGMENTS},
    )
    encoder = SimpleNamespace(transform=lambda context, num: np.float32(context["segment"] == "new")[:, None])
    average = lambda: np.zeros(1, dtype=np.float32)  # noqa: E731
    optimizer = SimpleNamespace(encoders=SimpleNamespace(context=encoder), context=average)
    return optimizer, logged_requests(optimizer, batch)  # type: ignore[arg-type]


def test_rows_without_impressions_are_no_requests() -> None:
    _, requests = logged()
    assert [(request.product, request.values["segment"], request.weight) for request in requests] == [
        (0, "new", 5.0),
        (0, "old", 2.0),
        (0, "old", 2.0),
    ]


def test_most_frequent_by_impressions() -> None:
    optimizer, requests = logged()
    assert frequent_request(requests, optimizer, 0).values == {"segment": "new"}
    unseen = frequent_request(requests, optimizer, 1)
    assert unseen.values == {} and unseen.context.tolist() == [0.0]


def test_context_of_the_truth() -> None:
    _, requests = logged()

    def truth(name: str | None, values: tuple[str, ...]) -> Any:
        return SimpleNamespace(context_name=name, context_values=values)

    assert requests[0].truth_context(truth("segment", ("old", "new"))) == 1
    assert requests[0].truth_context(truth("segment", ("s0",))) is None
    assert requests[0].truth_context(truth(None, ("",))) == 0
