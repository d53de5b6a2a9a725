"""`genco validate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from genco.cli.options import AsJson
from genco.cli.output import show


def validate(
    data: Annotated[Path, typer.Argument(help="Dataset folder.", metavar="DIR")],
    limit: Annotated[int, typer.Option(min=1, help="Violations of each kind to list; the others are counted.")] = 1000,
    json: AsJson = False,
) -> None:
    """List everything that is wrong in a dataset folder (file, row, column, rule, value). Never repairs."""
    from genco import api

    found = api.validate(data, limit)
    lines = [violation.message for violation in found]
    lines.append(f"{data}: {len(found):,} violations" if found else f"{data}: no violations")
    values = {"dataset": str(data), "valid": not found, "violations": [asdict(violation) for violation in found]}
    show(values, "\n".join(lines), json)
    if found:
        raise typer.Exit(1)
