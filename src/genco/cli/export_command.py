"""`genco export`."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from genco.cli.options import AsJson, Older, Overwrite, Store
from genco.cli.output import show


class As(StrEnum):
    """A dataset folder, and the formats of `genco.storage.exporters.EXPORTERS`."""

    dataset = "dataset"
    vw = "vw"
    obp = "obp"
    obd = "obd"


def export(
    out: Annotated[Path, typer.Option(help="What to write: a folder (dataset, obd) or a file (vw, obp).")],
    store: Store = "genco.db",
    data: Annotated[Path | None, typer.Option(help="Dataset folder to export instead of a store.")] = None,
    format: Annotated[As, typer.Option(help="vw: text for --slates. obp: bandit feedback. obd: Open Bandit CSV.")] = (
        As.dataset
    ),
    window: Annotated[
        float, typer.Option(min=0, help="Seconds a decision waits for reports, as the service was told.")
    ] = 600.0,
    older: Older = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Write what a service logged and joined, or a dataset folder, in a format others read, with propensities."""
    if data is not None:
        if format is As.dataset:
            raise typer.BadParameter("name another format: --data is a dataset folder.", param_hint="'--format'")
        if older is not None:
            raise typer.BadParameter("it goes with a store, not with --data.", param_hint="'--with'")
        _show(format, _exported(data, format, out, overwrite), json)
    elif format is As.dataset:
        _show(format, _joined(store, out, window, overwrite, older, as_rate=False), json)
    else:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.absolute().parent) as folder:
            joined = _joined(store, Path(folder) / "log", window, False, older, as_rate=True)
            _show(format, joined | _exported(Path(folder) / "log", format, out, overwrite), json)


def _joined(store: str, out: Path, window: float, overwrite: bool, older: Path | None, as_rate: bool) -> dict[str, Any]:
    """Write the store's log as a dataset folder. as_rate: whose reward is no revenue."""
    from genco.serving.export import export_log
    from genco.serving.store import open_existing_store
    from genco.storage.dataset import open_dataset

    before = None if older is None else open_dataset(older)
    until = time.time_ns() // 1_000 - round(window * 1e6)
    return asdict(export_log(open_existing_store(store), out, until, overwrite, as_rate=as_rate, older=before))


def _exported(data: Path, format: As, out: Path, overwrite: bool) -> dict[str, Any]:
    """Write a dataset folder in another format."""
    from genco.storage.dataset import open_dataset
    from genco.storage.exporters import EXPORTERS

    return asdict(EXPORTERS[format.value](open_dataset(data), out, overwrite))


def _show(format: As, done: dict[str, Any], json: bool) -> None:
    lines = [f"{done['path']}: {done['rows']:,} impressions as {format.value}"]
    if done.get("joined"):
        lines.append(f"  {done['joined']:,} rows of older data before them")
    if done.get("rounded"):
        lines.append(f"  {done['rounded']:,} with a reward between 0 and 1 rounded")
    if done.get("left_out"):
        lines.append(f"  left out {done['left_out']:,} of products or elements that the run does not know")
    lines += [
        f"  left out {count:,}: {reason.replace('_', ' ')}"
        for reason, count in done.get("dropped", {}).items()
        if count
    ]
    lines += [f"  {note}" for note in done.get("notes", ())]
    show({"format": format.value, **done}, "\n".join(lines), json)
