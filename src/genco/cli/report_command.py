"""`genco report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genco.cli.options import AsJson, Data, Run
from genco.cli.output import show
from genco.cli.progress import shown_progress


def report(
    run: Run,
    data: Data,
    out: Annotated[Path, typer.Option(help="HTML file to write.")],
    json: AsJson = False,
) -> None:
    """Write one self-contained HTML page about a run."""
    from genco import api
    from genco.benchmarks.run_report import write_report
    from genco.simulator.truth import truth_of

    dataset = api.open_dataset(data)
    with shown_progress() as progress:
        path = write_report(api.load(run), dataset, truth_of(dataset), out, progress)
    show({"report": str(path)}, str(path), json)
