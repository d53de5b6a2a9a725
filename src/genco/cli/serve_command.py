"""`genco serve`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from genco.cli.options import Run, Store
from genco.errors import ConfigError


class Mode(StrEnum):
    """Modes of `genco.serving.config.MODES`."""

    online = "online"
    apprentice = "apprentice"
    logging_only = "logging_only"


class Durability(StrEnum):
    """Durabilities of `genco.serving.config.DURABILITIES`."""

    process = "process"
    power = "power"


def serve(
    run: Run,
    store: Store = "genco.db",
    config: Annotated[Path | None, typer.Option(help="TOML file; what it leaves out keeps its default.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Who chooses: the model, or your baseline.")] = None,
    durability: Annotated[
        Durability | None, typer.Option(help="What a logged decision survives: kill -9, or loss of power too.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate (PEM) for https, with its chain.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key (PEM) of the certificate, without a password.")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    studio: Annotated[bool, typer.Option(help="Pages for people under /studio.")] = True,
    pictures: Annotated[Path | None, typer.Option(help="Dataset folder whose pictures the studio shows.")] = None,
) -> None:
    """Serve decisions over HTTP, log them with their propensities, and learn from what comes back."""
    from genco.serving.server import Tls, scheme
    from genco.serving.server import serve as run_server

    if (tls_cert is None) != (tls_key is None):
        found = "--tls-key" if tls_cert is None else "--tls-cert"
        raise ConfigError(f"Options `--tls-cert` and `--tls-key` should be given together. Found `{found}` alone.")
    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)

    def say(text: str) -> None:
        typer.echo(text, err=True)

    def surfaces(service: Any) -> list[Any]:
        from genco.studio.app import StudioSurface

        return [StudioSurface(service, pictures, f"{scheme(tls)}://{host}:{port}", say)] if studio else []

    run_server(run, store, _config(config, mode, durability), host, port, log_level, say, surfaces, tls)


def _config(file: Path | None, mode: Mode | None, durability: Durability | None) -> Any:
    """The file, with the options on top."""
    from genco.serving.config import service_config
    from genco.storage.toml_file import load_toml

    values = load_toml(file, ConfigError) if file is not None else {}
    values |= {
        name: option.value for name, option in (("mode", mode), ("durability", durability)) if option is not None
    }
    try:
        return service_config(values)
    except ConfigError as error:
        if file is None:
            raise
        raise ConfigError(f"{file}: {error}") from error
