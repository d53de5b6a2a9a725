"""`genco validate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from genco.cli.options import AsJson
from genco.cli.output import first_of, show


def validate(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", metavar="DIR")],
    limit: Annotated[int, typer.Option(min=1, help="Violations of each kind to list; the others are counted.")] = 1000,
    json: AsJson = False,
) -> None:
    """List everything that is wrong in a dataset folder (file, row, column, rule, value). Never repairs.

    Products that nothing can be shown for (no approved element for a required slot, or rules that leave nothing) are
    not wrong: training leaves them out. They are counted and listed below.
    """
    from genco import api

    found = api.validate(data, limit)
    left_out = [] if found else api.products_left_out(data)
    lines = [violation.message for violation in found]
    lines.append(f"{data}: {len(found):,} violations" if found else f"{data}: no violations")
    if left_out:
        lines.append(f"{len(left_out):,} products have no legal combination; training leaves them out:")
        lines += first_of(left_out)
    values = {
        "dataset": str(data),
        "valid": not found,
        "violations": [asdict(violation) for violation in found],
        "products_without_legal_combination": None if found else len(left_out),
        "left_out": left_out[:limit],
    }
    show(values, "\n".join(lines), json)
    if found:
        raise typer.Exit(1)
