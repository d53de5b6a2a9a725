"""`genco export`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from genco.cli.options import AsJson, Out, Overwrite, Store
from genco.cli.output import show


def export(
    out: Out,
    store: Store = "genco.db",
    window: Annotated[
        float, typer.Option(min=0, help="Seconds a decision waits for reports, as the service was told.")
    ] = 600.0,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write what a service logged and joined as a dataset folder, with propensities."""
    from genco.serving.export import export_log
    from genco.serving.store import open_store

    until = time.time_ns() // 1_000 - round(window * 1e6)
    done = export_log(open_store(store), out, until, overwrite)
    text = f"{out}: {done.rows:,} impressions; {done.rounded:,} with a reward between 0 and 1 rounded"
    if done.left_out:
        text += f"; {done.left_out:,} of products or elements that the run does not know left out"
    show(vars(done), text, json)
