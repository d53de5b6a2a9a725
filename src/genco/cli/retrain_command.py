"""`genco retrain`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import typer

from genco.cli.options import AsJson, Older, Out, Overwrite, Store
from genco.cli.output import show
from genco.cli.progress import shown_progress
from genco.serving.config import ServiceConfig


def retrain(
    out: Out,
    store: Store = "genco.db",
    window: Annotated[
        float, typer.Option(min=0, help="Seconds a decision waits for reports, as the service was told.")
    ] = 600.0,
    decisions_per_actor: Annotated[
        int, typer.Option(min=0, help="Of one actor that count in a window, as the service was told; 0: all.")
    ] = ServiceConfig.decisions_per_actor,
    decisions_per_actor_and_product: Annotated[
        int, typer.Option(min=0, help="The same for one product.")
    ] = ServiceConfig.decisions_per_actor_and_product,
    actor_window: Annotated[float, typer.Option(min=1, help="Seconds of that window.")] = (
        ServiceConfig.actor_window_seconds
    ),
    forged_window: Annotated[
        float, typer.Option(min=0, help="Hours whose rewards are judged together as forged or not; 0: none is.")
    ] = ServiceConfig.forged_window_hours,
    older: Older = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Train on what a service logged, from the run it serves, and write a run folder; what is served stays."""
    from genco.serving.actor_limits import ActorLimits
    from genco.serving.retraining import retrain as run_retraining
    from genco.serving.store import open_existing_store
    from genco.storage.dataset import open_dataset

    before = None if older is None else open_dataset(older)
    until = time.time_ns() // 1_000 - round(window * 1e6)
    limits = ActorLimits(
        decisions_per_actor, decisions_per_actor_and_product, round(actor_window * 1e6), round(forged_window * 3.6e9)
    )
    with shown_progress() as progress:
        done = run_retraining(open_existing_store(store), out, until, overwrite, progress, limits, before)
    more = f" and {done.joined:,} rows of older data" if done.joined else ""
    show(asdict(done), f"{done.path}: trained on {done.rows:,} impressions of the log{more}", json)
