"""`genco retrain`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from genco.cli.options import AsJson, Out, Overwrite, Store
from genco.cli.output import show
from genco.cli.progress import shown_progress


def retrain(
    out: Out,
    store: Store = "genco.db",
    window: Annotated[
        float, typer.Option(min=0, help="Seconds a decision waits for reports, as the service was told.")
    ] = 600.0,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Train on what a service logged, from the run it serves, and write a run folder; what is served stays."""
    from genco.serving.retraining import retrain as run_retraining
    from genco.serving.store import open_store

    until = time.time_ns() // 1_000 - round(window * 1e6)
    with shown_progress() as progress:
        done = run_retraining(open_store(store), out, until, overwrite, progress)
    show(asdict(done), f"{done.path}: trained on {done.rows:,} impressions of the log", json)
