"""The command `genco`: one verb, one file. Parse, call `genco.api`, show."""

from __future__ import annotations

from typing import Annotated

import typer

from genco.cli.backup_command import backup, prune, restore
from genco.cli.bench_command import bench
from genco.cli.errors import Commands
from genco.cli.evaluate_command import evaluate
from genco.cli.export_command import export
from genco.cli.generate_command import generate
from genco.cli.import_command import import_
from genco.cli.keys_command import keys
from genco.cli.report_command import report
from genco.cli.retrain_command import retrain
from genco.cli.serve_command import serve
from genco.cli.simulate_command import simulate
from genco.cli.studio_command import studio
from genco.cli.train_command import train
from genco.cli.users_command import users
from genco.cli.validate_command import validate
from genco.version import __version__

app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"genco {__version__}")
        raise typer.Exit


@app.callback()
def genco(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Choose combinations of creative elements from sparse clicks.

    Exit codes: 0 done, 1 the data or the request is wrong, 2 usage, 130 interrupted.
    """


app.command("simulate")(simulate)
app.command("import")(import_)
app.command("validate", short_help="List everything that is wrong in a dataset folder.")(validate)
app.command("train", short_help="Learn from a log: write a run folder with both models.")(train)
app.command("evaluate", short_help="Measure a run: value, ranking, calibration, attribution.")(evaluate)
app.command("generate", short_help="Rank combinations of one product, with credits.")(generate)
app.command("report")(report)
app.command("bench")(bench)
app.command("serve", short_help="Serve decisions over HTTP, log them, learn from them.")(serve)
app.command("studio")(studio)
app.command("retrain", short_help="Train again on what a service logged.")(retrain)
app.command("export", short_help="Write a service's log for other tools.")(export)
app.command("backup")(backup)
app.command("restore", short_help="Read a backup into an empty store.")(restore)
app.command("prune", short_help="Delete decisions and events before a day.")(prune)
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")
# A new verb: one import above, one line here.
