"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout.")]
Data = Annotated[Path, typer.Option(help="Dataset folder.")]
Older = Annotated[
    Path | None,
    typer.Option("--with", help="Dataset folder from before the store, such as the first run's, to join with the log."),
]
Out = Annotated[Path, typer.Option(help="Folder to write.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is at --out.")]
Run = Annotated[Path, typer.Option(help="Run folder, as `genco train` wrote it.")]
Store = Annotated[
    str, typer.Option(help="File of an SQLite store, or postgresql://...", metavar="URL", envvar="GENCO_STORE")
]
Seed = Annotated[int, typer.Option(min=0, help="Equal seeds give equal results.")]


def pairs(values: list[str], option: str) -> dict[str, str]:
    """`key=value` texts as a table. A usage error for a text without `=` or a key given twice."""
    table: dict[str, str] = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"key=value is expected. Found {text!r}.", param_hint=f"'{option}'")
        if key in table:
            raise typer.BadParameter(f"one value for {key!r} is expected. Found two.", param_hint=f"'{option}'")
        table[key] = value
    return table
