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
app.command("validate")(validate)
app.command("train")(train)
app.command("evaluate")(evaluate)
app.command("generate")(generate)
app.command("report")(report)
app.command("bench")(bench)
app.command("serve")(serve)
app.command("studio")(studio)
app.command("retrain")(retrain)
app.command("export")(export)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("prune")(prune)
app.add_typer(keys, name="keys")
app.add_typer(users, name="users")
# A new verb: one import above, one line here.
