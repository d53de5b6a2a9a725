"""`genco backup`, `genco restore` and `genco prune`: looking after a store."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from genco.cli.options import AsJson, Overwrite, Store
from genco.cli.output import show


def backup(
    out: Annotated[Path, typer.Option(help="File to write.")],
    store: Store = "genco.db",
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write a store to one file, with checksums; the server may run."""
    from genco.serving.backup import back_up
    from genco.serving.store import open_existing_store

    done = back_up(open_existing_store(store), out, overwrite)
    lines = [f"{out}: {_rows(done.rows)}"]
    lines += [f"  copy beside it: {folder}" for folder in done.model_folders]
    show({"path": out, **asdict(done)}, "\n".join(lines), json)


def restore(
    file: Annotated[Path, typer.Argument(help="File that `genco backup` wrote.")],
    store: Annotated[str, typer.Option(help="Empty store: a new SQLite file, or postgresql://...", metavar="URL")],
    json: AsJson = False,
) -> None:
    """Read a backup into an empty store of either kind, and check what was written."""
    from genco.serving.backup import restore as read_back

    done = read_back(file, store)
    lines = [f"{file} restored: {_rows(done.rows)}; counts and checksums agree"]
    lines += [f"  not found: {folder}" for folder in done.model_folders if not Path(folder).is_dir()]
    show(asdict(done), "\n".join(lines), json)


def prune(
    before: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Day, UTC: what was decided earlier goes.")],
    store: Store = "genco.db",
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only count.")] = False,
    json: AsJson = False,
) -> None:
    """Delete decisions made before a day, their events and what their requests brought along; the server may run."""
    from genco.serving import retention
    from genco.serving.store import open_existing_store

    engine = open_existing_store(store)
    day = round(before.replace(tzinfo=UTC).timestamp() * 1e6)
    done = retention.prune(engine, day) if yes else retention.num_before(engine, day)
    sets = f"{done.candidate_sets:,} sets of candidates"
    text = f"{done.decisions:,} decisions, {done.events:,} events and {sets} deleted"
    if not yes:
        text = f"{done.decisions:,} decisions with their events and {sets} would be deleted; --yes does it"
    counts = {name: num for name, num in asdict(done).items() if yes or name != "events"}
    show({"before": f"{before:%Y-%m-%d}", "deleted": yes, **counts}, text, json)


def _rows(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {num:,}" for name, num in rows.items() if num)
