"""`genco train`."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from genco.cli.errors import Interrupted
from genco.cli.options import AsJson, Data, Out, Overwrite
from genco.cli.output import number, show
from genco.cli.progress import shown_progress
from genco.errors import ConfigError


class Text(StrEnum):
    """Text encoders of `genco.training.config.TEXT_ENCODERS`."""

    hashed = "hashed"
    minilm = "minilm"
    none = "none"


def train(
    data: Data,
    out: Out,
    config: Annotated[Path | None, typer.Option(help="TOML file; what it leaves out keeps its default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run, to the same bits.")] = False,
    start_from: Annotated[
        Path | None, typer.Option("--from", help="Earlier run whose generator stage 1 begins from.", metavar="RUN")
    ] = None,
    text: Annotated[Text | None, typer.Option(help="How texts become numbers; hashed by default.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Equal seeds give equal runs; 0 by default.")] = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
) -> None:
    """Train both stages, the reward model and the generator, and write a run folder."""
    if resume and overwrite:
        raise typer.BadParameter("--resume continues a run and --overwrite replaces it. Found both.")
    from genco import api
    from genco.training.config import config_of_run

    chosen = _config(config, text, seed, config_of_run(out) if resume else None)
    with shown_progress({"generator": chosen.training.steps}) as progress:
        try:
            optimizer = api.train(
                data, out, chosen, resume=resume, start_from=start_from, overwrite=overwrite, progress=progress
            )
        except KeyboardInterrupt as stop:
            raise Interrupted(f"To continue: {_resume_command(data, out, config, start_from, text, seed)}") from stop
    measured = optimizer.run.info["measured"]
    lines = [
        f"{out}: trained on {measured['dataset']} in {measured['seconds']:,.1f} s, "
        f"{number(float(measured['impressions_per_second']))} impressions/s, "
        f"peak memory {measured['peak_rss_mib']:,.0f} MiB"
    ]
    if measured["products_without_legal_combination"]:
        count = measured["products_without_legal_combination"]
        lines.append(f"  left out, as they have no legal combination: {count:,} products")
        lines += [f"    {reason}" for reason in measured.get("left_out", ())]
        lines += [f"    and {count - shown:,} more"] if count > (shown := len(measured.get("left_out", ()))) else []
    if "warning" in measured.get("value", {}):
        lines.append(f"  warning: {measured['value']['warning']}")
    show({"run": str(out), **measured}, "\n".join(lines), json)


def _config(file: Path | None, text: Text | None, seed: int | None, earlier: Any) -> Any:
    """The file (or what the run to resume was started with), with the options on top."""
    from genco.storage.toml_file import load_toml
    from genco.training.config import config_from

    values = load_toml(file, ConfigError) if file is not None else earlier.to_dict() if earlier is not None else {}
    if text is not None:
        values["text"] = text.value
    if seed is not None:
        values["seed"] = seed
    try:
        return config_from(values)
    except ConfigError as error:
        if file is None:
            raise
        raise ConfigError(f"{file}: {error}") from error


def _resume_command(
    data: Path, out: Path, config: Path | None, start_from: Path | None, text: Text | None, seed: int | None
) -> str:
    given = {"--config": config, "--from": start_from, "--text": text.value if text else None, "--seed": seed}
    words = ["genco", "train", "--data", data, "--out", out, "--resume"]
    for option, value in given.items():
        words += [option, value] if value is not None else []
    return shlex.join(str(word) for word in words)
