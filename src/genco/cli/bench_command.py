"""`genco bench`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genco.cli.errors import Interrupted
from genco.cli.options import AsJson, Out
from genco.cli.output import show
from genco.cli.progress import shown_progress


class SuiteName(StrEnum):
    """Suites of `genco.benchmarks.suites.SUITE_NAMES`."""

    scenarios = "scenarios"
    simulator = "simulator"
    wide = "wide"
    upworthy = "upworthy"
    aes = "aes"
    autoco = "autoco"
    drift = "drift"
    latency = "latency"
    throughput = "throughput"
    ablation = "ablation"
    ope = "ope"


def bench(
    suite: Annotated[SuiteName, typer.Argument(help="What to measure.")],
    out: Out,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds (folds of upworthy); the suite's own by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small logs, one seed: minutes instead of hours.")] = False,
    table: Annotated[
        Path | None,
        typer.Option(help="Published data: packages for upworthy, tables of rates for aes and autoco.", metavar="FILE"),
    ] = None,
    peers: Annotated[
        str | None, typer.Option(help="all, none, or names with commas; the suite's own by default.", metavar="NAMES")
    ] = None,
    scenarios: Annotated[
        str | None,
        typer.Option(help="Names with commas, for scenarios and simulator; all by default.", metavar="NAMES"),
    ] = None,
    json: AsJson = False,
) -> None:
    """Run a benchmark: raw rows, a table and the exact configuration. What is finished is not run again."""
    from genco.benchmarks.run_suite import run_suite
    from genco.benchmarks.suite import Options
    from genco.benchmarks.suites import suite_named

    with shown_progress() as progress:
        try:
            options = Options(seeds, quick, table, peers, scenarios)
            result = run_suite(suite_named(suite.value), out, options, progress=progress)
        except KeyboardInterrupt as stop:
            raise Interrupted("Finished rows are kept. To continue: the same command.") from stop
    show({"out": str(out), **result}, result["table"], json)
