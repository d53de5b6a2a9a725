"""What `genco evaluate --ope` prints for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genco.cli.output import number

COLUMNS = ("value", "95% interval", "less the log's", "effective rows", "verdict")
WIDTHS = (10, 22, 24, 16)


def policy_value_table(measures: Mapping[str, Any]) -> str:
    """The verdict, the log, and one line an estimator; warnings and reasons below."""
    names = [key.removesuffix(".verdict") for key in measures if key.endswith(".verdict")]
    lines = [
        f"verdict against the logging policy: {measures['verdict']} (by {measures['verdict_by']})",
        f"logging policy: {number(measures['logging_policy.value'])} a row, {number(measures['rows_evaluated'])} rows "
        f"of {number(measures['rows_eligible'])} ({measures['rows_from']})",
        f"mean weight: {number(measures['mean_weight'])} ± {number(measures['mean_weight_se'])}",
        "",
        _line("", COLUMNS),
    ]
    for name in names:
        figures = {key.partition(".")[2]: value for key, value in measures.items() if key.startswith(f"{name}.")}
        cells = (
            number(figures["value"]),
            _range(figures["low"], figures["high"]),
            _range(figures["difference_low"], figures["difference_high"]),
            number(figures["effective_sample_size"]),
            number(figures["verdict"]),
        )
        lines.append(_line(name, cells))
    notes = [key for key in measures if key.endswith((".warning", "_reason"))]
    lines += ["", *(f"{key.partition('.')[0]}: {measures[key]}" for key in notes)] if notes else []
    return "\n".join(lines)


def _line(name: str, cells: tuple[str, ...]) -> str:
    padded = [f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=False)]
    return f"{name:<16}{''.join(padded)}  {cells[-1]}".rstrip()


def _range(low: Any, high: Any) -> str:
    return "-" if low is None else f"{low:.4g} to {high:.4g}"
