"""`genco evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from genco.cli.options import AsJson, Data, Run, Seed
from genco.cli.output import number, show
from genco.cli.policy_value_table import policy_value_table
from genco.cli.progress import shown_progress

GROUPS = ("value", "value_cold_elements", "diversity", "attribution", "calibration", "ranking", "train")


def evaluate(
    run: Run,
    data: Data,
    requests: Annotated[int, typer.Option(min=1, help="Requests to draw where a truth is known.")] = 400,
    seed: Seed = 0,
    ope: Annotated[bool, typer.Option("--ope", help="Value of the decision policy by the log's propensities.")] = False,
    rows: Annotated[int, typer.Option(min=1, help="Rows to sample, with --ope.")] = 100_000,
    json: AsJson = False,
) -> None:
    """Measure a run: value against the truth where there is one, ranking, calibration, attribution, diversity.

    With --ope: what its decision policy would earn, by a log with propensities, against the policy that logged it.
    """
    from genco import api

    with shown_progress() as progress:
        if ope:
            measures = api.policy_value(run, data, rows, seed, progress=progress)
        else:
            measures = api.evaluate(run, data, requests, seed, progress=progress)
    show({**measures, **grouped(measures)}, policy_value_table(measures) if ope else table(measures), json)


def grouped(measures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Dotted keys as tables: group -> name -> value."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in measures.items():
        group, dot, name = key.partition(".")
        if dot:
            groups.setdefault(group, {})[name] = value
    return groups


def table(measures: Mapping[str, Any]) -> str:
    """One line a figure, with its standard error or, where there is none, the reason; a reason is told once."""
    told: set[str] = set()
    lines = [f"{key.replace('_', ' ')}: {number(value)}" for key, value in measures.items() if "." not in key]
    groups = grouped(measures)
    for group in sorted(groups, key=lambda name: GROUPS.index(name) if name in GROUPS else len(GROUPS)):
        figures = groups[group]
        lines += ["", group.replace("_", " ")]
        for name, value in figures.items():
            if name.endswith(("_reason", "_se")):
                continue
            error, reason = figures.get(f"{name}_se"), figures.get(f"{name}_reason")
            beside = f" ± {number(error)}" if error is not None else ""
            if reason and error is None:
                beside = "  (as above)" if reason in told else f"  ({reason})"
                told.add(reason)
            lines.append(f"  {name:<28}{number(value):>10}{beside}")
    return "\n".join(lines)
