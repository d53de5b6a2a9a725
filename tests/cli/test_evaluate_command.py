"""The table of `genco evaluate` for people."""

from __future__ import annotations

from genco.cli.evaluate_command import table


def test_a_reason_is_told_once() -> None:
    lines = table(
        {
            "value.refined": None,
            "value.refined_reason": "no truth",
            "value.served": None,
            "value.served_reason": "no truth",
            "ranking.auc": 0.5,
            "ranking.auc_se": 0.01,
            "ranking.pick_lift": None,
            "ranking.pick_lift_reason": "one product",
        }
    ).splitlines()
    assert [line.split() for line in lines if line.startswith("  ")] == [
        ["refined", "-", "(no", "truth)"],
        ["served", "-", "(as", "above)"],
        ["auc", "0.5", "±", "0.01"],
        ["pick_lift", "-", "(one", "product)"],
    ]
