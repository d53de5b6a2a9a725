"""`genco import`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from genco.cli.options import AsJson, Out, Overwrite, Seed
from genco.cli.output import first_of, show


class Format(StrEnum):
    """Formats of `genco.storage.importers.IMPORTERS`, by name."""

    table = "table"
    upworthy = "upworthy"
    aes = "aes"
    autoco = "autoco"
    obd = "obd"
    meta = "meta"
    google = "google"


class Limits(StrEnum):
    """Profiles of `genco.storage.importers.asset_profiles.PROFILES` that asset rows may have."""

    google_rsa = "google_rsa"
    google_pmax = "google_pmax"
    jd_card = "jd_card"


def import_(
    format: Annotated[Format, typer.Argument(help="What the source is.")],
    source: Annotated[Path, typer.Argument(help="File or folder to read.")],
    out: Out,
    impressions: Annotated[
        int | None,
        typer.Option(
            min=1, help="Rows to draw, for tables of click rates: aes (240,000 by default), autoco (1,000,000)."
        ),
    ] = None,
    seed: Seed = 0,
    map: Annotated[
        Path | None, typer.Option(help="TOML map of columns, for table; by default beside the source.")
    ] = None,
    keep_flagged: Annotated[
        bool, typer.Option("--keep-flagged", help="For upworthy: keep weeks that were not properly randomised.")
    ] = False,
    profile: Annotated[
        Limits | None, typer.Option(help="Limits of assets, for google; google_rsa unless you say otherwise.")
    ] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Turn somebody else's log or table into a dataset folder."""
    extra: dict[str, Any] = {}
    if map is not None:
        extra["column_map"] = _only_for(Format.table, format, "--map", map)
    if keep_flagged:
        extra["keep_flagged"] = _only_for(Format.upworthy, format, "--keep-flagged", True)
    if profile is not None:
        extra["profile"] = _only_for(Format.google, format, "--profile", profile.value)
    from genco.storage.importers import IMPORTERS

    summary = IMPORTERS[format.value](source, out, impressions, seed, overwrite=overwrite, **extra)
    lines = [f"{out}: {summary.rows_written:,} of {summary.rows_read:,} rows of {summary.name}"]
    lines += [f"  dropped {count:,}: {reason.replace('_', ' ')}" for reason, count in summary.dropped.items() if count]
    lines += first_of([f"left out: {error}" for error in summary.errors])
    lines += [f"  {note}" for note in summary.notes]
    lines += [f"  origin: {summary.origin}"] if summary.origin else []
    show({"dataset": str(out), **asdict(summary)}, "\n".join(lines), json)


def _only_for(wanted: Format, found: Format, option: str, value: Any) -> Any:
    if found is not wanted:
        raise typer.BadParameter(f"applies to {wanted.value} only. Found {found.value}.", param_hint=f"'{option}'")
    return value
