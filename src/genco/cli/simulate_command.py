"""`genco simulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from genco.cli.options import AsJson, Out, Overwrite, Seed
from genco.cli.output import show
from genco.cli.progress import shown_progress


def simulate(
    scenario: Annotated[str, typer.Option(help="The world to draw, e.g. jd_card, pairs_sparse, cold, wide.")],
    out: Out,
    impressions: Annotated[
        int | None, typer.Option(min=1, help="Rows of the log; by default the scenario's own.")
    ] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Draw a world and its log: a dataset folder whose truth is known."""
    from genco import api

    with shown_progress() as progress:
        dataset = api.simulate(scenario, out, impressions, seed, overwrite=overwrite, progress=progress)
    catalogue = dataset.catalogue
    show(
        {
            "dataset": str(out),
            "scenario": scenario,
            "seed": seed,
            "num_rows": dataset.num_rows,
            "num_products": catalogue.num_products,
            "num_elements": catalogue.num_elements,
            "slots": [slot.name for slot in catalogue.slots],
        },
        f"{out}: {dataset.num_rows:,} impressions of {catalogue.num_products:,} products with "
        f"{catalogue.num_elements:,} elements, scenario {scenario}, seed {seed}",
        json,
    )
